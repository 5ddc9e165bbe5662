-- What the provider says of its own limit corrects ours: downwards at once, upwards by a tenth a minute and never above what was configured
-- or said, whichever is higher.
create or replace function bucket_correct(p_bucket text, p_said integer) returns void language sql volatile as $$
  update buckets b set
    budget = case when p_said <= b.budget then p_said
                  when b.raised_at is null or b.raised_at < app_now() - interval '1 minute' then least(p_said, b.budget + greatest(1, b.budget / 10))
                  else b.budget end,
    raised_at = case when p_said > b.budget and (b.raised_at is null or b.raised_at < app_now() - interval '1 minute') then app_now() else b.raised_at end
  where b.key = p_bucket and b.budget <> p_said;
$$;

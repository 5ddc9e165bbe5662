-- What the provider says of its own limit corrects the bucket's budget: downwards at once, upwards by a tenth a minute
-- and never above what was configured or said, whichever is higher.
create or replace function bucket_correct(p_bucket text, p_said integer) returns void language sql volatile as $$
  update buckets bucket set
    budget = case
      when p_said <= bucket.budget then p_said
      when bucket.raised_at is null or bucket.raised_at < app_now() - interval '1 minute'
        then least(p_said, bucket.budget + greatest(1, bucket.budget / 10))
      else bucket.budget end,
    raised_at = case
      when p_said > bucket.budget
        and (bucket.raised_at is null or bucket.raised_at < app_now() - interval '1 minute') then app_now()
      else bucket.raised_at end
  where bucket.key = p_bucket and bucket.budget <> p_said;
$$;

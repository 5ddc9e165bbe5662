-- The provider's answer to the call that stands under p_sent_at says that nothing is left of this window.
-- If the bucket's own log is full too, the permit waits for its oldest entry, which is more exact than a reset in whole
-- seconds. Otherwise another client shares the limit: the bucket waits for the provider's reset,
-- but at most for one window.
-- The log is full if it holds `budget` calls within 1.1 windows before this call: 10 % covers calls that arrived late.
-- A needless pause costs one window; a needless call costs one 429.
create or replace function bucket_used_up(p_bucket text, p_sent_at timestamptz, p_reset_ms bigint) returns void
language plpgsql volatile as $$
declare
  v_bucket buckets%rowtype;
  v_since timestamptz;
begin
  perform 1 from buckets bucket where bucket.key = p_bucket for update;
  select * into v_bucket from buckets bucket where bucket.key = p_bucket;
  v_since := p_sent_at - v_bucket.window_ms * interval '1.1 ms';
  if (select count(*) from unnest(v_bucket.sent) call(sent_at) where call.sent_at > v_since) < v_bucket.budget then
    update buckets bucket set
      paused_until = greatest(
        bucket.paused_until,
        app_now() + least(p_reset_ms, v_bucket.window_ms) * interval '1 ms')
    where bucket.key = p_bucket;
  end if;
end $$;

-- The provider's answer to the call that stands under p_sent_at says that nothing is left of this window. If our own log is full too, the
-- permit waits for its oldest entry, which is more exact than a reset in whole seconds. Otherwise another client shares the limit, and the
-- bucket waits for the provider's reset, one window at most.
-- Our log is full if it holds `budget` calls within 1.1 windows before this call: 10 % covers calls that arrived late. A needless pause costs
-- one window; a needless call costs one 429.
create or replace function bucket_used_up(p_bucket text, p_sent_at timestamptz, p_reset_ms bigint) returns void language plpgsql volatile as $$
declare
  v_bucket buckets%rowtype;
  v_since timestamptz;
begin
  perform 1 from buckets b where b.key = p_bucket for update;
  select * into v_bucket from buckets b where b.key = p_bucket;
  v_since := p_sent_at - v_bucket.window_ms * interval '1.1 ms';
  if (select count(*) from unnest(v_bucket.sent) s where s > v_since) < v_bucket.budget then
    update buckets b set paused_until = greatest(b.paused_until, app_now() + least(p_reset_ms, v_bucket.window_ms) * interval '1 ms')
    where b.key = p_bucket;
  end if;
end $$;

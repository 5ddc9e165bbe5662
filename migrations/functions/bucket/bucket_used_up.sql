-- The provider's answer to the call that stands under p_sent_at says that nothing is left of this window. If we used it up ourselves, our own
-- count knows when there is room again, and better than a reset in whole seconds; if we did not, others share the limit, and everybody waits
-- for the reset, a window at most. Counted is what the provider may have counted with that call: what reached it late was permitted longer
-- ago than a window, by a tenth of it at most. Resting in vain costs a window; going on in vain costs an answer of 429, which names the wait.
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

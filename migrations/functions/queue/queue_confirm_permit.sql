-- Asked at the end of a long wait. A bucket that was paused meanwhile, a cancelled job and a lost lease withdraw what
-- was permitted. Pauses of the connection do not: one may rest the calls that got no place, and this call has one.
-- p_ahead_ms: how long before the call is due.
create or replace function queue_confirm_permit(
  p_worker uuid, p_lane text, p_fence bigint, p_job uuid, p_connection uuid, p_epoch bigint, p_bucket text,
  p_ahead_ms integer)
returns permit_answer
language plpgsql volatile set plan_cache_mode = force_generic_plan set role = casehug_worker as $$
declare
  v_reason text := permit_refusal(p_worker, p_lane, p_fence, p_job, p_connection, p_epoch, false);
  v_wait integer;
begin
  if v_reason is not null then
    return ('stop', 0, v_reason, 0, 0, null)::permit_answer; -- verdict, wait_ms, reason, budget, used, sent_at
  end if;
  select ceil(extract(epoch from bucket.paused_until - app_now()) * 1000)::integer into v_wait
  from buckets bucket
  where bucket.key = p_bucket;
  if v_wait > p_ahead_ms then
    return ('at', v_wait, 'limited', 0, 0, null)::permit_answer; -- verdict, wait_ms, reason, budget, used, sent_at
  end if;
  return ('go', 0, null, 0, 0, null)::permit_answer; -- verdict, wait_ms, reason, budget, used, sent_at
end $$;

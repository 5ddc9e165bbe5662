-- A waiting job ends at once. A running job is marked: its next permit is refused, and it ends.
create or replace function queue_cancel(p_firm uuid, p_job uuid) returns act_result
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_lanes text[] := queue_lock_lanes_of(array[p_job]);
  v_result act_result := queue_begin_act(p_firm, p_job);
begin
  if v_result.outcome is distinct from 'found' then
    return v_result;
  end if;
  if exists (select 1 from jobs job where job.id = p_job and job.state <> 'queued') then
    v_result.outcome := 'wrong_state';
  elsif exists (select 1 from lanes lane where lane.key = any(v_lanes) and lane.running_job = p_job) then
    update jobs job set cancelled_at = coalesce(job.cancelled_at, app_now()) where job.id = p_job;
    v_result.outcome := 'cancelling';
  else
    perform queue_drop_job(p_job, 'cancelled', '{}');
    v_result.outcome := 'cancelled';
    v_result.due := queue_refresh_lanes(v_lanes);
  end if;
  return v_result;
end $$;

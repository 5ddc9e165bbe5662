-- A waiting job need not wait for its own time, and a person waits for it.
-- It does not pass others of its lane, nor any pause.
create or replace function queue_run_now(p_firm uuid, p_job uuid) returns act_result
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_lanes text[] := queue_lock_lanes_of(array[p_job]);
  v_result act_result := queue_begin_act(p_firm, p_job);
begin
  if v_result.outcome = 'found' then
    update jobs job set run_at = app_now(), waiting_for = null, priority = 0
    where job.id = p_job and job.state <> 'failed'
      and not exists (select 1 from lanes lane where lane.key = any(v_lanes) and lane.running_job = p_job);
    v_result.outcome := case when found then 'hurried' else 'wrong_state' end;
    v_result.due := queue_refresh_lanes(v_lanes);
  end if;
  return v_result;
end $$;

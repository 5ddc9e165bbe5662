create or replace function queue_retry(p_firm uuid, p_job uuid) returns act_result
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_lanes text[] := queue_lock_lanes_of(array[p_job]);
  v_result act_result := queue_begin_act(p_firm, p_job);
  v_done record;
begin
  if v_result.outcome = 'found' then
    select requeued.* into v_done from queue_requeue(array[p_job], 0::smallint) requeued;
    v_result.outcome := case
      when not found then 'wrong_state'
      when v_done.duplicate is not null then 'joined'
      else 'queued' end;
    v_result.duplicate := v_done.duplicate;
    v_result.due := queue_refresh_lanes(v_lanes);
  end if;
  return v_result;
end $$;

-- A person says which of the suspected records is the one that was created: it is linked, and the job is retried. Its
-- doubt is over: no sweep looks for it any more.
-- outcome: as of queue_retry; 'not_suspected' where the failed job does not name this record; 'wrong_state' where the
-- job has not failed by a suspicion, another lane is at the link, or the record stands for another one of CaseHug's.
--
-- Example. The answer to the creation of a matter was lost, and its job failed: records 12 and 13 may be what was
-- created. Adopted with 13: the link is 'linked' to 13, and the job waits at its lane's end. With 14: 'not_suspected'.
create or replace function queue_adopt(p_firm uuid, p_job uuid, p_external_id text) returns act_result
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_lanes text[] := queue_lock_lanes_of(array[p_job]);
  v_result act_result := queue_begin_act(p_firm, p_job);
  v_suspected jsonb;
  v_done record;
begin
  if v_result.outcome is distinct from 'found' then
    return v_result;
  end if;
  select log.details->'suspected' into v_suspected
  from jobs job
  join integration_sync_logs log on log.id = job.id
  where job.id = p_job and job.state = 'failed' and job.code = 'duplicate_suspected';
  if v_suspected is null then
    v_result.outcome := 'wrong_state';
  elsif not v_suspected->'records' ? p_external_id then
    v_result.outcome := 'not_suspected';
  elsif not link_adopt((v_suspected->>'link')::uuid, p_external_id) then
    v_result.outcome := 'wrong_state';
  else
    select requeued.* into v_done from queue_requeue(array[p_job], 0::smallint) requeued;
    v_result.outcome := case when v_done.duplicate is null then 'queued' else 'joined' end;
    v_result.duplicate := v_done.duplicate;
    v_result.due := queue_refresh_lanes(v_lanes);
  end if;
  return v_result;
end $$;

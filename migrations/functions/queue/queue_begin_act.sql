-- The job of an act, after its lane has been locked. outcome: 'found'; 'wrong_state' when the job has only a log row
-- left; null when there is neither.
create or replace function queue_begin_act(p_firm uuid, p_job uuid) returns act_result
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_result act_result;
begin
  select 'found', job.firm_id, job.connection_id, null, '{}' into v_result
  from jobs job
  where job.id = p_job and (p_firm is null or job.firm_id = p_firm);
  if not found then
    select 'wrong_state', described.firm_id, described.connection_id, null, '{}' into v_result
    from queue_describe(p_firm, array[p_job]) described;
  end if;
  return v_result;
end $$;

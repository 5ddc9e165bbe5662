-- The job of an act, after its lane has been locked; outcome 'wrong_state' when only its log row is left, null when there is nothing.
create or replace function queue_begin_act(p_firm uuid, p_job uuid) returns act_result language plpgsql volatile set enable_seqscan = off as $$
declare
  v_result act_result;
begin
  select 'found', j.firm_id, j.connection_id, null, '{}' into v_result from jobs j where j.id = p_job and (p_firm is null or j.firm_id = p_firm);
  if not found then
    select 'wrong_state', g.firm_id, g.connection_id, null, '{}' into v_result from queue_describe(p_firm, array[p_job]) g;
  end if;
  return v_result;
end $$;

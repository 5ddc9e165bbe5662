-- A failed job becomes skipped: a person has decided that it is not to be run again.
create or replace function queue_skip(p_firm uuid, p_job uuid) returns act_result
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_lanes text[] := queue_lock_lanes_of(array[p_job]);
  v_result act_result := queue_begin_act(p_firm, p_job);
begin
  if v_result.outcome = 'found' then
    if exists (select 1 from jobs job where job.id = p_job and job.state = 'failed') then
      perform queue_drop_job(p_job, 'skipped_by_person', '{}');
      v_result.outcome := 'skipped';
    else
      v_result.outcome := 'wrong_state';
    end if;
  end if;
  return v_result;
end $$;

-- Locks the lanes whose key and fence hold, in key order, skipping those that another transaction has just locked.
create or replace function queue_lock_held(p_worker uuid, p_outcomes jsonb) returns job_outcome[]
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_held job_outcome[];
begin
  select array_agg(sorted.said) into v_held
  from (
    select said::job_outcome as said, said.lane, said.fence, said.job_id
    from jsonb_populate_recordset(null::job_outcome, p_outcomes) said
    order by said.lane) sorted
  cross join lateral (
    select 1
    from lanes lane
    where lane.key = sorted.lane
      and lane.fence = sorted.fence and lane.worker is not distinct from p_worker and lane.running_job = sorted.job_id
    limit 1
    for update skip locked) held;
  return v_held;
end $$;

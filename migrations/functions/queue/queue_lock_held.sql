-- Locks the lanes whose key and fence hold, in key order, skipping those that somebody else has just locked.
create or replace function queue_lock_held(p_worker uuid, p_outcomes jsonb) returns job_outcome[] language plpgsql volatile set enable_seqscan = off as $$
declare
  v_held job_outcome[];
begin
  select array_agg(s.o) into v_held
  from (select o::job_outcome as o, o.lane, o.fence, o.job_id from jsonb_populate_recordset(null::job_outcome, p_outcomes) o order by o.lane) s
  cross join lateral (
    select 1 from lanes l
    where l.key = s.lane and l.fence = s.fence and l.worker is not distinct from p_worker and l.running_job = s.job_id
    limit 1 for update skip locked) held;
  return v_held;
end $$;

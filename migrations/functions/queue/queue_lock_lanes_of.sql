-- Locks the lanes of jobs, in key order. A lane is not deleted while it has a job of any state.
create or replace function queue_lock_lanes_of(p_jobs uuid[]) returns text[]
language plpgsql volatile set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_keys text[];
begin
  select array_agg(distinct job.lane) into v_keys
  from unnest(p_jobs) wanted(id)
  cross join lateral (select job.lane from jobs job where job.id = wanted.id limit 1) job;
  perform 1 from lanes lane where lane.key = any(v_keys) order by lane.key for update;
  return v_keys;
end $$;

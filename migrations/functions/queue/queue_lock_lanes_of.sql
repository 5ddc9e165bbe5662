-- Locks the lanes of jobs, in key order. A lane is not deleted while it has a job of any state.
create or replace function queue_lock_lanes_of(p_jobs uuid[]) returns text[] language plpgsql volatile
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_keys text[];
begin
  select array_agg(distinct j.lane) into v_keys from unnest(p_jobs) k(id)
  cross join lateral (select x.lane from jobs x where x.id = k.id limit 1) j;
  perform 1 from lanes l where l.key = any(v_keys) order by l.key for update;
  return v_keys;
end $$;

-- Gives leases back that have not been started: nothing is counted. For drain.
create or replace function queue_give_back(p_worker uuid, p_lanes text[], p_fences bigint[]) returns integer
language plpgsql volatile as $$
declare
  v_keys text[];
begin
  select array_agg(locked.key) into v_keys
  from (
    select lane.key
    from lanes lane
    join unnest(p_lanes, p_fences) held(key, fence) on lane.key = held.key and lane.fence = held.fence
    where lane.worker is not distinct from p_worker
    order by lane.key
    for update of lane) locked;
  update lanes lane set worker = null, running_job = null, transferring = false where lane.key = any(v_keys);
  perform queue_refresh_lanes(v_keys);
  return coalesce(cardinality(v_keys), 0);
end $$;

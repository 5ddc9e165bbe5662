-- Gives leases back that have not been started: nothing is counted. For drain.
create or replace function queue_give_back(p_worker uuid, p_lanes text[], p_fences bigint[]) returns integer language plpgsql volatile as $$
declare
  v_keys text[];
begin
  select array_agg(x.key) into v_keys from (
    select l.key from lanes l join unnest(p_lanes, p_fences) h(key, fence) on l.key = h.key and l.fence = h.fence
    where l.worker is not distinct from p_worker order by l.key for update of l) x;
  update lanes l set worker = null, running_job = null, transferring = false where l.key = any(v_keys);
  perform queue_refresh_lanes(v_keys);
  return coalesce(cardinality(v_keys), 0);
end $$;

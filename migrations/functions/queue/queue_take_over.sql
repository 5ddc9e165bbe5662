-- Takes lanes from dead workers. Only for a worker that has itself been renewing for one lease length, on a server that has been up
-- for one: after an outage everybody looks dead to everybody. A lease further ahead than twice its length is a clock's mistake and counts as expired.
-- Returns the connections whose lanes were freed, once for each lane.
create or replace function queue_take_over(p_worker uuid, p_limit integer) returns setof uuid language plpgsql volatile
set enable_seqscan = off as $$
declare
  v_now timestamptz := app_now();
  v_lease interval;
  v_dead uuid[];
  v_lane record;
begin
  select w.lease_ms * interval '1 ms' into v_lease from workers w
  where w.id = p_worker and w.alive_until > v_now and w.started_at <= v_now - w.lease_ms * interval '1 ms';
  if not found or pg_postmaster_start_time() > clock_timestamp() - v_lease then
    return;
  end if;
  -- With the rows' locks held, their owners' beats wait for us and then find the rows gone.
  v_dead := array(
    select w.id from workers w
    where w.id <> p_worker and (w.alive_until < v_now or w.alive_until > v_now + 2 * w.lease_ms * interval '1 ms')
    order by w.id for update skip locked);
  if cardinality(v_dead) = 0 then
    return;
  end if;
  -- The lanes of all the dead together: several lanes are always locked in key order.
  for v_lane in
    select l.key, l.running_job, l.connection_id from lanes l
    where l.worker is not null and l.worker = any(v_dead) order by l.key limit p_limit for update
  loop
    perform queue_release_lost(v_lane.key, v_lane.running_job);
    return next v_lane.connection_id;
  end loop;
  delete from workers w where w.id = any(v_dead) and not exists (select 1 from lanes l where l.worker = w.id);
end $$;

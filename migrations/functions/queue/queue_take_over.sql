-- Takes lanes from dead workers. Only for a worker whose own beats have come in time for one lease length, on a server
-- that has been up for one: after an outage every worker looks dead to every other.
-- A lease further ahead than twice its length is a clock's mistake and counts as expired.
-- Returns the connections whose lanes were freed, once for each lane.
--
-- Example. Worker A's lease ended 1 s ago, and A holds 3 lanes of connection C. Worker B calls this with p_limit 2: 2
-- of A's lanes are freed, C is returned twice, and A's row stays. At the next call the third lane is freed, C is
-- returned once, and A's row goes: A's next beat finds that it must drop all that it holds.
create or replace function queue_take_over(p_worker uuid, p_limit integer) returns setof uuid
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_now timestamptz := app_now();
  v_lease interval;
  v_dead uuid[];
  v_lane record;
begin
  select worker.lease_ms * interval '1 ms' into v_lease
  from workers worker
  where worker.id = p_worker and worker.alive_until > v_now
    and worker.renewed_since <= v_now - worker.lease_ms * interval '1 ms';
  if not found or pg_postmaster_start_time() > clock_timestamp() - v_lease then
    return;
  end if;
  -- With the rows' locks held, their owners' beats wait for this transaction and then find the rows gone.
  v_dead := array(
    select worker.id
    from workers worker
    where worker.id <> p_worker
      and (worker.alive_until < v_now or worker.alive_until > v_now + 2 * worker.lease_ms * interval '1 ms')
    order by worker.id
    for update skip locked);
  if cardinality(v_dead) = 0 then
    return;
  end if;
  -- The lanes of all the dead together: several lanes are always locked in key order.
  for v_lane in
    select lane.key, lane.running_job, lane.connection_id
    from lanes lane
    where lane.worker is not null and lane.worker = any(v_dead)
    order by lane.key
    limit p_limit
    for update
  loop
    perform queue_release_lost(v_lane.key, v_lane.running_job);
    return next v_lane.connection_id;
  end loop;
  delete from workers worker
  where worker.id = any(v_dead) and not exists (select 1 from lanes lane where lane.worker = worker.id);
end $$;

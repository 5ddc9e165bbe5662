-- Liveness: a worker's row is the lease of everything it holds.
-- A beat moves alive_until; a beat that finds its row gone means that another worker took over, and the beating one must drop all.

create function queue_register(p_worker uuid, p_name text, p_lease_ms integer) returns void language sql volatile as $$
  insert into workers (id, name, started_at, alive_until, lease_ms)
  values (p_worker, p_name, app_now(), app_now() + p_lease_ms * interval '1 ms', p_lease_ms);
$$;

-- False when the row is gone.
create function queue_beat(p_worker uuid) returns boolean language plpgsql volatile as $$
begin
  update workers w set alive_until = app_now() + w.lease_ms * interval '1 ms' where w.id = p_worker;
  return found;
end $$;

-- Frees one lane whose holder is gone; the caller holds its lock. The running job goes back to its head, or fails when it was lost three times.
-- A job that takes its process down with it ends here and not in an endless chain of dead workers.
create function queue_release_lost(p_lane text, p_job uuid) returns void language plpgsql volatile
set enable_seqscan = off as $$
declare
  v_now timestamptz := app_now();
  v_since timestamptz;
  v_lost jobs%rowtype;
begin
  select l.changed_at into v_since from lanes l where l.key = p_lane;
  update jobs j set lost_attempts = j.lost_attempts + 1, executions = j.executions + 1, started_at = coalesce(j.started_at, v_since)
  where j.id = p_job returning * into v_lost;
  insert into attempts (job_id, number, firm_id, started_at, duration_ms, outcome)
  select v_lost.id, v_lost.executions, v_lost.firm_id, v_since, (extract(epoch from clock_timestamp() - v_since) * 1000)::integer, 'lost'
  where v_lost.id is not null
  on conflict do nothing;
  if v_lost.lost_attempts >= 3 then
    update jobs j set state = 'failed', code = 'worker_lost', failed_at = v_now,
      error_message = 'the worker died three times while it ran this job' where j.id = p_job;
    update integration_sync_logs g set status = 'failed', code = 'worker_lost', finished_at = v_now, attempts = v_lost.attempts,
      error_message = 'the worker died three times while it ran this job' where g.id = p_job;
    update activity g set status = 'failed', code = 'worker_lost', finished_at = v_now, attempts = v_lost.attempts,
      error_message = 'the worker died three times while it ran this job' where g.id = p_job;
    update lanes l set gone_through = v_lost.seq where l.key = p_lane;
  end if;
  update lanes l set worker = null, running_job = null, transferring = false where l.key = p_lane;
  perform queue_settle_lanes(array[p_lane]);
end $$;

-- Takes lanes from dead workers. Only for a worker that has itself been renewing for one lease length, on a server that has been up
-- for one: after an outage everybody looks dead to everybody. A lease further ahead than twice its length is a clock's mistake and counts as expired.
-- Returns the connections whose lanes were freed, once for each lane.
create function queue_take_over(p_worker uuid, p_limit integer) returns setof uuid language plpgsql volatile
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
  -- The lanes of all the dead together: whoever locks several lanes does so in key order.
  for v_lane in
    select l.key, l.running_job, l.connection_id from lanes l
    where l.worker is not null and l.worker = any(v_dead) order by l.key limit p_limit for update
  loop
    perform queue_release_lost(v_lane.key, v_lane.running_job);
    return next v_lane.connection_id;
  end loop;
  delete from workers w where w.id = any(v_dead) and not exists (select 1 from lanes l where l.worker = w.id);
end $$;

-- Gives leases back that have not been started: nothing is counted. For drain.
create function queue_give_back(p_worker uuid, p_lanes text[], p_fences bigint[]) returns integer language plpgsql volatile as $$
declare
  v_keys text[];
begin
  select array_agg(x.key) into v_keys from (
    select l.key from lanes l join unnest(p_lanes, p_fences) h(key, fence) on l.key = h.key and l.fence = h.fence
    where l.worker is not distinct from p_worker order by l.key for update of l) x;
  update lanes l set worker = null, running_job = null, transferring = false where l.key = any(v_keys);
  perform queue_settle_lanes(v_keys);
  return coalesce(cardinality(v_keys), 0);
end $$;

-- Marks that a held lane's job begins to send a file to a signed address: from now to its end it counts apart under the connection's cap,
-- and the connection's next job may run beside it. False when another transfer of the connection is running: this one then counts as before.
create function queue_begin_transfer(p_worker uuid, p_lane text, p_fence bigint) returns boolean language plpgsql volatile as $$
declare
  v_connection uuid;
begin
  select l.connection_id into v_connection from lanes l where l.key = p_lane and l.fence = p_fence and l.worker is not distinct from p_worker;
  perform pg_advisory_xact_lock(hashtextextended(v_connection::text, 7));
  update lanes l set transferring = true
  where l.key = p_lane and l.fence = p_fence and l.worker is not distinct from p_worker and not exists (
    select 1 from lanes o where o.connection_id = v_connection and o.worker is not null and o.transferring);
  return found;
end $$;

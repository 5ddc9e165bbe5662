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
create function queue_release_lost(p_lane text, p_job uuid) returns void language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
  v_lost jobs%rowtype;
begin
  update jobs j set lost_attempts = j.lost_attempts + 1 where j.id = p_job returning * into v_lost;
  insert into attempts (job_id, number, firm_id, started_at, duration_ms, outcome)
  select v_lost.id, v_lost.executions, v_lost.firm_id, l.changed_at, (extract(epoch from clock_timestamp() - l.changed_at) * 1000)::integer, 'lost'
  from lanes l where l.key = p_lane and v_lost.id is not null
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
  update lanes l set worker = null, running_job = null, changed_at = clock_timestamp(), ready_at = (
    select v_now from jobs j where j.lane = l.key and j.state = 'queued' and j.seq > l.gone_through limit 1)
  where l.key = p_lane;
end $$;

-- Takes lanes from dead workers. Only for a worker that has itself been renewing for one lease length, on a server that has been up
-- for one: after an outage everybody looks dead to everybody. A lease further ahead than twice its length is a clock's mistake and counts as expired.
-- Returns how many lanes were freed.
create function queue_take_over(p_worker uuid, p_limit integer) returns integer language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
  v_lease interval;
  v_dead uuid;
  v_lane record;
  v_freed integer := 0;
begin
  select w.lease_ms * interval '1 ms' into v_lease from workers w
  where w.id = p_worker and w.alive_until > v_now and w.started_at <= v_now - w.lease_ms * interval '1 ms';
  if not found or pg_postmaster_start_time() > clock_timestamp() - v_lease then
    return 0;
  end if;
  for v_dead in
    select w.id from workers w
    where w.id <> p_worker and (w.alive_until < v_now or w.alive_until > v_now + 2 * w.lease_ms * interval '1 ms')
    order by w.id for update skip locked
  loop
    -- The row's lock is held: its owner's beat waits for us and then finds the row gone.
    for v_lane in select l.key, l.running_job from lanes l where l.worker = v_dead order by l.key limit p_limit for update loop
      perform queue_release_lost(v_lane.key, v_lane.running_job);
      v_freed := v_freed + 1;
    end loop;
    delete from workers w where w.id = v_dead and not exists (select 1 from lanes l where l.worker = v_dead);
  end loop;
  return v_freed;
end $$;

-- Gives leases back that have not been started: no attempt is counted. For drain.
create function queue_give_back(p_worker uuid, p_lanes text[], p_fences bigint[]) returns integer language plpgsql volatile as $$
declare
  v_keys text[];
begin
  select array_agg(x.key) into v_keys from (
    select l.key from lanes l join unnest(p_lanes, p_fences) h(key, fence) on l.key = h.key and l.fence = h.fence
    where l.worker = p_worker order by l.key for update of l) x;
  update jobs j set executions = j.executions - 1 where j.id in (select l.running_job from lanes l where l.key = any(v_keys));
  update lanes l set worker = null, running_job = null, ready_at = app_now(), changed_at = clock_timestamp() where l.key = any(v_keys);
  return coalesce(cardinality(v_keys), 0);
end $$;

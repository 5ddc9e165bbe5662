-- Enqueue: lanes are locked first, in key order; what is read after that is true.
-- The lane's counter, moved under that lock, gives the order (seq): not ids, not clocks. A job that joins a twin leaves a gap in it.
-- An idle lane becomes ready; ready_at of no other lane is touched.
--
-- How the queue's functions keep their plans: a queue is empty most of the time, so its statistics say "one row", and the planner would
-- read the whole table that has meanwhile ten million. Therefore what is read is looked up row by row (lateral, with a limit: such a
-- subquery is never turned around), and what is written by key is written in functions that may use nothing but bitmap scans, which
-- cannot run without a key (`enable_seqscan`, `enable_indexscan` and `enable_indexonlyscan` off).

-- The highest priority among a lane's waiting jobs.
create function queue_lane_priority(p_lane text, p_head smallint) returns smallint language plpgsql volatile as $$
begin
  return coalesce((select j.priority from jobs j where j.lane = p_lane and j.state = 'queued' and j.priority < p_head order by j.priority limit 1), p_head);
end $$;

-- Brings lanes that nobody holds, and whose locks the caller has, in line with their jobs: ready at their head's time, or idle. A lane that
-- is due keeps its place; one that becomes due is so from now, however long its head has waited: visits look no further back.
-- Whoever changed a lane's jobs by another way than enqueue and finish calls it last. Returns the connections with a lane that is due.
create function queue_settle_lanes(p_lanes text[]) returns uuid[] language plpgsql volatile set enable_seqscan = off as $$
declare
  v_due uuid[];
  v_lane text;
begin
  foreach v_lane in array coalesce(p_lanes, '{}') loop
    update lanes l set changed_at = clock_timestamp(),
      ready_at = (select greatest(j.run_at, least(l.ready_at, app_now())) from jobs j
        where j.lane = v_lane and j.state = 'queued' and j.seq > l.gone_through order by j.seq limit 1),
      priority = coalesce((select queue_lane_priority(v_lane, j.priority) from jobs j
        where j.lane = v_lane and j.state = 'queued' and j.seq > l.gone_through order by j.seq limit 1), l.priority)
    where l.key = v_lane and l.worker is null;
    select v_due || array(select l.connection_id from lanes l where l.key = v_lane and l.worker is null and l.ready_at <= app_now()) into v_due;
  end loop;
  return array(select distinct c from unnest(v_due) c);
end $$;

-- A job to be placed; seq is its place in the lane, note_join whether its id was told to somebody and needs a row even if it joins.
create type new_job as (
  id uuid, firm_id uuid, connection_id uuid, lane text collate "C", kind text, priority smallint, matter_id uuid, upload_id uuid, explicit boolean,
  run_id uuid, dedupe_key text collate "C", event_ids text[], seq bigint, note_join boolean);

-- Opens the log rows of jobs: integration_sync_logs for the three published actions, activity for the rest.
create function queue_open_logs(p_jobs new_job[]) returns void language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
begin
  insert into integration_sync_logs (id, firm_id, integration_id, matter_id, upload_id, action, details, run_id, created_at)
  select n.id, n.firm_id, n.connection_id, n.matter_id, n.upload_id, n.kind, jsonb_build_object('events', to_jsonb(n.event_ids)), n.run_id, v_now
  from unnest(p_jobs) n where n.kind in ('sync_matter', 'sync_document', 'pull_matters');
  insert into activity (id, firm_id, connection_id, kind, details, run_id, created_at)
  select n.id, n.firm_id, n.connection_id, n.kind,
    case when cardinality(n.event_ids) > 0 then jsonb_build_object('events', to_jsonb(n.event_ids)) else '{}' end, n.run_id, v_now
  from unnest(p_jobs) n where n.kind not in ('sync_matter', 'sync_document', 'pull_matters');
end $$;

-- The waiting twin of a job in a lane whose lock the caller holds; null when there is none. A running job is nobody's twin.
create function queue_find_twin(p_lane text, p_dedupe_key text) returns uuid language plpgsql volatile as $$
begin
  return (
    select j.id from jobs j
    where j.lane = p_lane and j.dedupe_key = p_dedupe_key and j.state = 'queued' and j.cancelled_at is null
      and j.id is distinct from (select l.running_job from lanes l where l.key = p_lane)
    order by j.seq limit 1);
end $$;

-- Joins jobs to their waiting twins, named side by side: the twin keeps the highest priority, the union of flags, and every event id.
-- A twin that gains nothing is not written: a matter's follow-ups mostly ask for documents that wait already.
create function queue_merge_twins(p_jobs new_job[], p_twins uuid[]) returns void language plpgsql volatile
set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_now timestamptz := app_now();
begin
  with joining as materialized (
    select * from rows from (unnest(p_jobs), unnest(p_twins)) n(id, firm_id, connection_id, lane, kind, priority, matter_id, upload_id, explicit,
      run_id, dedupe_key, event_ids, seq, note_join, twin)),
  gained as (
    select g.twin, min(g.priority) as priority, bool_or(g.explicit) as explicit, coalesce(array_agg(e.id) filter (where e.id is not null), '{}') as event_ids
    from joining g left join lateral unnest(g.event_ids) e(id) on true group by g.twin),
  merged as (
    update jobs j set priority = least(j.priority, g.priority), explicit = j.explicit or g.explicit,
      event_ids = array(select distinct e from unnest(j.event_ids || g.event_ids) e)
    from gained g
    where j.id = g.twin and (g.priority < j.priority or g.explicit and not j.explicit or not g.event_ids <@ j.event_ids)),
  logged as (
    insert into integration_sync_logs (id, firm_id, integration_id, matter_id, upload_id, action, status, details, run_id, created_at, finished_at)
    select g.id, g.firm_id, g.connection_id, g.matter_id, g.upload_id, g.kind, 'skipped',
      jsonb_build_object('joined', g.twin, 'events', to_jsonb(g.event_ids)), g.run_id, v_now, v_now
    from joining g where g.note_join and g.kind in ('sync_matter', 'sync_document', 'pull_matters'))
  insert into activity (id, firm_id, connection_id, kind, status, details, run_id, created_at, finished_at)
  select g.id, g.firm_id, g.connection_id, g.kind, 'skipped', jsonb_build_object('joined', g.twin), g.run_id, v_now, v_now
  from joining g where g.note_join and g.kind not in ('sync_matter', 'sync_document', 'pull_matters');
end $$;

-- Puts jobs at their places in lanes whose locks the caller holds, or joins them to a waiting twin. A running job is never joined.
create function queue_place(p_jobs new_job[]) returns void language plpgsql volatile set enable_seqscan = off as $$
declare
  v_now timestamptz := app_now();
  v_new new_job[] := p_jobs;
  v_joining new_job[];
  v_twins uuid[];
begin
  if exists (select 1 from unnest(p_jobs) n where n.dedupe_key is not null) then
    with numbered as (
      select n, row_number() over (partition by n.lane, n.dedupe_key order by n.seq) as nth from unnest(p_jobs) n),
    sorted as (
      select m.n, (m.n).dedupe_key is null or m.nth = 1 and queue_find_twin((m.n).lane, (m.n).dedupe_key) is null as fresh
      from numbered m)
    select array_agg(s.n order by (s.n).seq) filter (where s.fresh), array_agg(s.n order by (s.n).seq) filter (where not s.fresh)
      into v_new, v_joining from sorted s;
  end if;
  insert into jobs (id, firm_id, connection_id, lane, seq, kind, priority, matter_id, upload_id, explicit, run_id, dedupe_key, event_ids, run_at, created_at)
  select n.id, n.firm_id, n.connection_id, n.lane, n.seq, n.kind, n.priority, n.matter_id, n.upload_id, n.explicit, n.run_id, n.dedupe_key,
    n.event_ids, v_now, v_now
  from unnest(v_new) n;
  perform queue_open_logs(v_new);
  if v_joining is not null then
    select array_agg(queue_find_twin(n.lane, n.dedupe_key) order by n.o) into v_twins
    from unnest(v_joining) with ordinality n(id, firm_id, connection_id, lane, kind, priority, matter_id, upload_id, explicit, run_id, dedupe_key,
      event_ids, seq, note_join, o);
    perform queue_merge_twins(v_joining, v_twins);
  end if;
end $$;

-- Appends jobs to their lanes, in the order given. Returns the connections of which a lane became ready: the caller tells the workers.
create function queue_enqueue(p_jobs jsonb) returns uuid[] language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
declare
  v_now timestamptz := app_now();
  v_jobs new_job[];
  v_tails jsonb;
  v_ready uuid[];
begin
  select array_agg(r::new_job) into v_jobs from jsonb_populate_recordset(null::new_job, p_jobs) r;

  with incoming as (
    select n.lane, count(*) as jobs, min(n.priority) as priority, (array_agg(n.firm_id))[1] as firm_id, (array_agg(n.connection_id))[1] as connection_id
    from unnest(v_jobs) n group by n.lane),
  locked as (
    insert into lanes as l (key, firm_id, connection_id, tail, priority, ready_at)
    select i.lane, i.firm_id, i.connection_id, i.jobs, i.priority, v_now from incoming i order by i.lane
    on conflict (key) do update set tail = l.tail + excluded.tail, changed_at = clock_timestamp(),
      priority = case when l.ready_at is null and l.worker is null then excluded.priority else least(l.priority, excluded.priority) end,
      ready_at = case when l.ready_at is null and l.worker is null then excluded.ready_at else l.ready_at end
    returning l.key, l.tail, l.connection_id, l.ready_at, l.priority)
  -- Told are the connections of lanes that became ready, and of ready ones that a person now waits for.
  select jsonb_object_agg(k.key, k.tail), array_agg(distinct k.connection_id) filter (where k.ready_at = v_now or k.ready_at < v_now and k.priority = 0)
    into v_tails, v_ready from locked k;

  -- The counters have moved by as many jobs as came: a lane's first one comes right behind what was there.
  select array_agg((n.id, n.firm_id, n.connection_id, n.lane, n.kind, n.priority, n.matter_id, n.upload_id, coalesce(n.explicit, false), n.run_id,
      n.dedupe_key, coalesce(n.event_ids, '{}'), (v_tails->>n.lane)::bigint - n.jobs + n.nth, true)::new_job order by n.o)
    into v_jobs
    from (select u.*, row_number() over (partition by u.lane order by u.o) as nth, count(*) over (partition by u.lane) as jobs
          from unnest(v_jobs) with ordinality u(id, firm_id, connection_id, lane, kind, priority, matter_id, upload_id, explicit, run_id,
            dedupe_key, event_ids, seq, note_join, o)) n;
  perform queue_place(v_jobs);
  return coalesce(v_ready, '{}');
end $$;

-- Puts failed jobs of one lane, whose lock the caller holds, back at the lane's end, oldest first. Id, log row and history are kept.
-- Returns the lane's new tail.
create function queue_requeue_failed(p_lane text, p_code text, p_tail bigint, p_run uuid) returns bigint language plpgsql volatile as $$
declare
  v_job record;
  v_tail bigint := p_tail;
begin
  for v_job in select j.id from jobs j where j.lane = p_lane and j.state = 'failed' and j.code = p_code order by j.seq for update loop
    v_tail := v_tail + 1;
    update jobs j set state = 'queued', seq = v_tail, run_at = app_now(), run_id = p_run, attempts = 0, limited = 0, lost_attempts = 0,
      waiting_for = null, code = null, error_message = null, failed_at = null, started_at = null, cancelled_at = null
    where j.id = v_job.id;
    update integration_sync_logs g set status = 'pending', finished_at = null, code = null, error_message = null, run_id = p_run,
      details = g.details - 'resolution' where g.id = v_job.id;
  end loop;
  return v_tail;
end $$;

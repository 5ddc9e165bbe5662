-- Enqueue: lanes are locked first, in key order; what is read after that is true.
-- The lane's counter, moved under that lock, gives the order (seq): not ids, not clocks.
-- An idle lane becomes ready; ready_at of no other lane is touched.

-- The highest priority among a lane's waiting jobs.
create function queue_lane_priority(p_lane text, p_head smallint) returns smallint language sql volatile as $$
  select coalesce((select j.priority from jobs j where j.lane = p_lane and j.state = 'queued' and j.priority < p_head order by j.priority limit 1), p_head);
$$;

-- Brings lanes that nobody holds, and whose locks the caller has, in line with their jobs: ready at their head's time, or idle.
-- Whoever changed a lane's jobs by another way than enqueue and finish calls it last. Returns the connections with a lane that is due.
create function queue_settle_lanes(p_lanes text[]) returns uuid[] language plpgsql volatile as $$
declare
  v_due uuid[];
begin
  with heads as (
    select l.key, h.run_at, h.priority from lanes l left join lateral (
      select j.run_at, j.priority from jobs j where j.lane = l.key and j.state = 'queued' and j.seq > l.gone_through order by j.seq limit 1) h on true
    where l.key = any(p_lanes) and l.worker is null),
  settled as (
    update lanes l set ready_at = h.run_at, changed_at = clock_timestamp(),
      priority = case when h.priority is null then l.priority else queue_lane_priority(l.key, h.priority) end
    from heads h where l.key = h.key and l.worker is null returning l.connection_id, l.ready_at)
  select array_agg(distinct s.connection_id) into v_due from settled s where s.ready_at <= app_now();
  return coalesce(v_due, '{}');
end $$;

-- Opens the log row of a job: integration_sync_logs for the three published actions, activity for the rest.
create function queue_open_log(
  p_id uuid, p_firm uuid, p_connection uuid, p_kind text, p_matter uuid, p_upload uuid, p_run uuid,
  p_status text, p_details jsonb) returns void language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
  v_finished timestamptz := case when p_status <> 'pending' then v_now end;
begin
  if p_kind in ('sync_matter', 'sync_document', 'pull_matters') then
    insert into integration_sync_logs (id, firm_id, integration_id, matter_id, upload_id, action, status, details, run_id, created_at, finished_at)
    values (p_id, p_firm, p_connection, p_matter, p_upload, p_kind, p_status, p_details, p_run, v_now, v_finished);
  else
    insert into activity (id, firm_id, connection_id, kind, status, details, run_id, created_at, finished_at)
    values (p_id, p_firm, p_connection, p_kind, p_status, p_details, p_run, v_now, v_finished);
  end if;
end $$;

-- Puts one job at the end of its lane, whose lock the caller holds, or joins it to a waiting twin. True when it was put there.
-- p_running is the lane's running job: a running job is never joined. p_note_join: a job that joins gets its row all the same,
-- because its id was told to somebody; a follow-up's was not.
create function queue_place(p_job jsonb, p_seq bigint, p_running uuid, p_note_join boolean) returns boolean language plpgsql volatile as $$
declare
  v_id uuid := (p_job->>'id')::uuid;
  v_run uuid := (p_job->>'run_id')::uuid;
  v_events text[] := array(select jsonb_array_elements_text(coalesce(p_job->'event_ids', '[]')));
  v_explicit boolean := coalesce((p_job->>'explicit')::boolean, false);
  v_now timestamptz := app_now();
  v_twin uuid;
begin
  if p_job->>'dedupe_key' is not null then
    select j.id into v_twin from jobs j
    where j.lane = p_job->>'lane' and j.dedupe_key = p_job->>'dedupe_key' and j.state = 'queued' and j.id is distinct from p_running
      and j.cancelled_at is null
    order by j.seq limit 1;
  end if;
  if v_twin is not null then
    update jobs j set priority = least(j.priority, (p_job->>'priority')::smallint), explicit = j.explicit or v_explicit,
      event_ids = array(select distinct e from unnest(j.event_ids || v_events) e)
    where j.id = v_twin;
    if p_note_join then
      perform queue_open_log(v_id, (p_job->>'firm_id')::uuid, (p_job->>'connection_id')::uuid, p_job->>'kind', (p_job->>'matter_id')::uuid,
        (p_job->>'upload_id')::uuid, v_run, 'skipped', jsonb_build_object('joined', v_twin, 'events', to_jsonb(v_events)));
    end if;
    return false;
  end if;
  insert into jobs (id, firm_id, connection_id, lane, seq, kind, priority, matter_id, upload_id, explicit, run_id, dedupe_key, event_ids, run_at, created_at)
  values (v_id, (p_job->>'firm_id')::uuid, (p_job->>'connection_id')::uuid, p_job->>'lane', p_seq, p_job->>'kind', (p_job->>'priority')::smallint,
    (p_job->>'matter_id')::uuid, (p_job->>'upload_id')::uuid, v_explicit, v_run, p_job->>'dedupe_key', v_events, v_now, v_now);
  perform queue_open_log(v_id, (p_job->>'firm_id')::uuid, (p_job->>'connection_id')::uuid, p_job->>'kind', (p_job->>'matter_id')::uuid,
    (p_job->>'upload_id')::uuid, v_run, 'pending', jsonb_build_object('events', to_jsonb(v_events)));
  return true;
end $$;

-- Appends jobs to their lanes. Returns how many lanes became ready: the caller notifies when it is not 0.
create function queue_enqueue(p_jobs jsonb) returns integer language plpgsql volatile as $$
declare
  v_job jsonb;
  v_lane lanes%rowtype;
  v_tail bigint;
  v_ready integer := 0;
begin
  insert into lanes as l (key, firm_id, connection_id)
  select x.lane, x.firm_id, x.connection_id from (
    select distinct on (j->>'lane') j->>'lane' as lane, (j->>'firm_id')::uuid as firm_id, (j->>'connection_id')::uuid as connection_id
    from jsonb_array_elements(p_jobs) j) x
  order by x.lane
  on conflict (key) do update set tail = l.tail;

  for v_lane in
    select l.* from lanes l where l.key in (select j->>'lane' from jsonb_array_elements(p_jobs) j) order by l.key
  loop
    v_tail := v_lane.tail;
    for v_job in select j from jsonb_array_elements(p_jobs) with ordinality u(j, o) where j->>'lane' = v_lane.key order by o loop
      if queue_place(v_job, v_tail + 1, v_lane.running_job, true) then
        v_tail := v_tail + 1;
      end if;
    end loop;
    if v_tail > v_lane.tail then
      update lanes l set tail = v_tail, changed_at = clock_timestamp(),
        ready_at = case when l.ready_at is null and l.worker is null then app_now() else l.ready_at end
      where l.key = v_lane.key;
      v_ready := v_ready + (v_lane.ready_at is null and v_lane.worker is null)::integer;
    end if;
  end loop;
  return v_ready;
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
    update integration_sync_logs g set status = 'pending', finished_at = null, code = null, error_message = null, run_id = p_run where g.id = v_job.id;
  end loop;
  return v_tail;
end $$;

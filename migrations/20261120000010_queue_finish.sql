-- Finish: lanes whose key and fence still hold are locked, in key order, skip locked; all writes are for those alone.
-- What is not returned was locked by somebody (try again) or has another fence (drop it). A repeated finish is harmless.

-- What a worker says of one execution. effect: 'delete', 'fail' or 'later'. continue_lane: if the job has left and the lane's next one is due, the
-- worker takes it at once, under a new fence and the same turn: nobody else waits for the slot.
create type job_outcome as (
  lane text collate "C", fence bigint, job_id uuid, effect text, delay_ms bigint, waiting_for text, counted boolean, limited integer, log_status text,
  code text, message text, external_id text, details jsonb, duration_ms integer, outcome text, calls jsonb, follow_ups jsonb, requeue_code text,
  probe boolean, continue_lane boolean);

-- A job whose outcome was written: where it stood in its lane, and what its follow-ups inherit.
create type ended_job as (lane text collate "C", fence bigint, effect text, continue_lane boolean, seq bigint, run_id uuid, follow_ups jsonb, requeue_code text);

-- Writes job, log and attempt of each outcome; the caller holds the locks of their lanes.
create function queue_write_outcomes(p_outcomes job_outcome[], p_now timestamptz) returns ended_job[] language plpgsql volatile
set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_ended ended_job[];
begin
  with o as materialized (select * from unnest(p_outcomes)),
  gone as (
    delete from jobs j using o where o.effect = 'delete' and j.id = o.job_id
    returning o.*, j.seq, j.firm_id, j.kind, j.run_id, j.attempts + o.counted::integer as attempts, j.executions + 1 as number),
  kept as (
    update jobs j set
      attempts = j.attempts + o.counted::integer, limited = o.limited, executions = j.executions + 1, lost_attempts = 0,
      started_at = coalesce(j.started_at, p_now - o.duration_ms * interval '1 ms'),
      run_at = case o.effect when 'later' then p_now + coalesce(o.delay_ms, 0) * interval '1 ms' else j.run_at end,
      waiting_for = case o.effect when 'later' then o.waiting_for end,
      state = case o.effect when 'fail' then 'failed' else j.state end,
      code = case o.effect when 'fail' then o.code end,
      error_message = case o.effect when 'fail' then o.message end,
      failed_at = case o.effect when 'fail' then p_now end
    from o where o.effect <> 'delete' and j.id = o.job_id
    returning o.*, j.seq, j.firm_id, j.kind, j.run_id, j.attempts, j.executions as number),
  ended as materialized (select * from gone union all select * from kept),
  logged as (
    update integration_sync_logs g set status = e.log_status, code = e.code, error_message = e.message,
      external_id = coalesce(e.external_id, g.external_id), details = g.details || coalesce(e.details, '{}'), attempts = e.attempts,
      finished_at = case when e.effect <> 'later' then p_now end
    from ended e where e.kind in ('sync_matter', 'sync_document', 'pull_matters') and g.id = e.job_id),
  acted as (
    update activity g set status = e.log_status, code = e.code, error_message = e.message, details = g.details || coalesce(e.details, '{}'),
      attempts = e.attempts, finished_at = case when e.effect <> 'later' then p_now end
    from ended e where e.kind not in ('sync_matter', 'sync_document', 'pull_matters') and g.id = e.job_id),
  tried as (
    insert into attempts (job_id, number, firm_id, started_at, duration_ms, outcome, code, calls)
    select e.job_id, e.number, e.firm_id, p_now - e.duration_ms * interval '1 ms', e.duration_ms, e.outcome, e.code, coalesce(e.calls, '[]')
    from ended e
    on conflict (job_id, number) do nothing)
  select array_agg((e.lane, e.fence, e.effect, coalesce(e.continue_lane, false), e.seq, e.run_id, e.follow_ups, e.requeue_code)::ended_job)
    into v_ended from ended e;
  if coalesce(cardinality(v_ended), 0) < cardinality(p_outcomes) then
    -- A lane whose job has vanished is freed all the same.
    select v_ended || array_agg((o.lane, o.fence, 'later', false, null, null, null, null)::ended_job)
      into v_ended from unnest(p_outcomes) o where not exists (select 1 from unnest(v_ended) e where e.lane = o.lane);
  end if;
  return v_ended;
end $$;

-- Appends what a finished job asks for behind itself, in its own lane, whose lock the caller holds.
create function queue_follow_up(p_ended ended_job) returns void language plpgsql volatile as $$
declare
  v_tail bigint;
  v_jobs new_job[];
begin
  select l.tail into v_tail from lanes l where l.key = p_ended.lane;
  if p_ended.requeue_code is not null then
    v_tail := queue_requeue_failed(p_ended.lane, p_ended.requeue_code, v_tail, p_ended.run_id);
  end if;
  select array_agg((n.id, n.firm_id, n.connection_id, n.lane, n.kind, n.priority, n.matter_id, n.upload_id, coalesce(n.explicit, false), n.run_id,
      n.dedupe_key, coalesce(n.event_ids, '{}'), v_tail + n.o, false)::new_job)
    into v_jobs
    from (select r.*, row_number() over () as o from jsonb_populate_recordset(null::new_job, p_ended.follow_ups) r) n;
  if v_jobs is not null then
    perform queue_place(v_jobs);
  end if;
  update lanes l set tail = v_tail + coalesce(cardinality(v_jobs), 0) where l.key = p_ended.lane;
end $$;

-- What a lane is after its job: free, or held for its next job. fence is the one under which the job ran. person: somebody waits for the
-- lane, which is ready.
create type freed_lane as (
  lane text collate "C", fence bigint, connection_id uuid, ready boolean, person boolean, running_job uuid, running_fence bigint);

-- Frees lanes, or goes on with their next jobs: p_heads names the head of each lane of p_ended, in the same order.
-- A holder may go on where no pause forbids it and where it holds a slot of its connection: a transfer's slot is given back, for the
-- connection's cap counts the next job again.
create function queue_free_lanes(p_ended ended_job[], p_heads lane_head[], p_now timestamptz) returns freed_lane[] language plpgsql volatile
set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_freed freed_lane[];
  v_wide_pause boolean := exists (
    select 1 from pauses p where p.scope = any('{all,platform:clio,platform:lawmatics,platform:smokeball,platform:mycase}') and p.until > p_now);
begin
  with next as materialized (
    select e.lane, e.fence, case when e.effect <> 'later' then e.seq end as gone, e.job_id, e.run_at, e.priority,
      e.continue_lane and e.effect <> 'later' and coalesce(e.run_at <= p_now, false) and not v_wide_pause and not l.transferring
        and not exists (select 1 from pauses p where p.scope = 'connection:' || l.connection_id and p.until > p_now) as continues
    -- Side by side: a join of two arrays looks at each pair.
    from rows from (unnest(p_ended), unnest(p_heads)) e(lane, fence, effect, continue_lane, seq, run_id, follow_ups, requeue_code, head_lane, job_id, run_at, priority)
    join lanes l on l.key = e.lane),
  freed as (
    update lanes l set changed_at = clock_timestamp(), transferring = false, gone_through = coalesce(n.gone, l.gone_through),
      worker = case when n.continues then l.worker end,
      running_job = case when n.continues then n.job_id end,
      fence = case when n.continues then nextval('fence_seq') else l.fence end,
      ready_at = case when n.job_id is not null and not n.continues then greatest(n.run_at, p_now) end,
      priority = case
        when n.job_id is null or n.continues then l.priority
        when n.priority = 0 then 0
        -- The highest of all that wait, as queue_lane_priority has it, without a call for each lane.
        else coalesce((select j.priority from jobs j where j.lane = l.key and j.state = 'queued' and j.priority < n.priority
          order by j.priority limit 1), n.priority) end
    from next n where l.key = n.lane
    returning l.key, n.fence, l.connection_id, coalesce(l.ready_at <= p_now, false), coalesce(l.ready_at <= p_now, false) and l.priority = 0,
      l.running_job, l.fence)
  select array_agg(f::freed_lane) into v_freed from freed f;
  return v_freed;
end $$;

-- Locks the lanes whose key and fence hold, in key order, skipping those that somebody else has just locked.
create function queue_lock_held(p_worker uuid, p_outcomes jsonb) returns job_outcome[] language plpgsql volatile set enable_seqscan = off as $$
declare
  v_held job_outcome[];
begin
  select array_agg(s.o) into v_held
  from (select o::job_outcome as o, o.lane, o.fence, o.job_id from jsonb_populate_recordset(null::job_outcome, p_outcomes) o order by o.lane) s
  cross join lateral (
    select 1 from lanes l
    where l.key = s.lane and l.fence = s.fence and l.worker is not distinct from p_worker and l.running_job = s.job_id
    limit 1 for update skip locked) held;
  return v_held;
end $$;

-- Returns a row for each outcome written: its lane and fence, whether the lane is ready now and a person waits for it, and the next job where
-- the worker went on.
create function queue_finish(p_worker uuid, p_outcomes jsonb) returns table (
  lane text, fence bigint, connection_id uuid, ready boolean, person boolean, next_fence bigint, id uuid, firm_id uuid, kind text, matter_id uuid, upload_id uuid,
  explicit boolean, run_id uuid, event_ids text[], priority smallint, attempts integer, limited integer, age_ms bigint, cancelled boolean)
language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  v_now timestamptz := app_now();
  v_held job_outcome[];
  v_ended ended_job[];
  v_freed freed_lane[];
  v_lanes text[];
  v_gone bigint[];
  v_one ended_job;
begin
  v_held := queue_lock_held(p_worker, p_outcomes);
  if v_held is null then
    return;
  end if;
  v_ended := queue_write_outcomes(v_held, v_now);
  for v_one in select e.* from unnest(v_ended) e where e.effect <> 'later' and (e.follow_ups is not null or e.requeue_code is not null) loop
    perform queue_follow_up(v_one);
  end loop;
  select array_agg(e.lane), array_agg(case when e.effect <> 'later' then e.seq end) into v_lanes, v_gone from unnest(v_ended) e;
  -- By now: what has just followed is due.
  v_freed := queue_free_lanes(v_ended, queue_heads(v_lanes, v_gone), app_now());
  return query
    select f.lane, f.fence, f.connection_id, f.ready, f.person, f.running_fence, j.id, j.firm_id, j.kind, j.matter_id, j.upload_id, j.explicit, j.run_id,
      j.event_ids, j.priority, j.attempts, j.limited, coalesce((extract(epoch from v_now - j.started_at) * 1000)::bigint, 0), j.cancelled_at is not null
    from unnest(v_freed) f left join lateral (select x.* from jobs x where x.id = f.running_job limit 1) j on true;
  perform queue_touch_connections(v_held);
end $$;

-- Connection rows are updated once a batch, after the lanes, in id order.
create function queue_touch_connections(p_outcomes job_outcome[]) returns void language plpgsql volatile
set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_connection record;
begin
  for v_connection in
    select l.connection_id as id, bool_or(o.log_status = 'success') as synced, bool_or(o.log_status = 'failed') as failed,
      bool_or(o.log_status in ('success', 'failed')) as ended, bool_or(coalesce(o.code in ('provider_unavailable', 'timed_out'), false)) as troubled
    from unnest(p_outcomes) o join lanes l on l.key = o.lane
    where (o.log_status in ('success', 'failed') or o.code in ('provider_unavailable', 'timed_out')) and not coalesce(o.probe, false)
    group by l.connection_id order by l.connection_id
  loop
    update firm_integrations c set
      last_sync_at = case when v_connection.synced then app_now() else c.last_sync_at end,
      last_outcome = case when v_connection.failed then 'failed' when v_connection.ended then 'success' else c.last_outcome end,
      last_outcome_at = case when v_connection.ended then app_now() else c.last_outcome_at end,
      -- One job that got through proves more than another that did not.
      troubled_at = case when v_connection.troubled and not v_connection.synced then app_now() else c.troubled_at end
    where c.id = v_connection.id;
  end loop;
end $$;

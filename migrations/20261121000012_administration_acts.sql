-- What a person does to a job. Each act locks the job's lane first and reads the job in the next statement; what is true then, stays true.

-- outcome: what was done, 'wrong_state' when the job is not one that this can be done to, null when there is no such job.
-- due: connections of which a lane became ready: the caller tells the workers.
create type act_result as (outcome text, firm_id uuid, connection_id uuid, twin uuid, due uuid[]);

-- Locks the lanes of jobs, in key order. A lane is not deleted while it has a job of any state.
create function queue_lock_lanes_of(p_jobs uuid[]) returns text[] language plpgsql volatile
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_keys text[];
begin
  select array_agg(distinct j.lane) into v_keys from unnest(p_jobs) k(id)
  cross join lateral (select x.lane from jobs x where x.id = k.id limit 1) j;
  perform 1 from lanes l where l.key = any(v_keys) order by l.key for update;
  return v_keys;
end $$;

-- Ends a waiting or failed job without running it, under its lane's lock: it lives on as its log row.
create function queue_drop_job(p_job uuid, p_code text, p_details jsonb) returns void language plpgsql volatile set enable_seqscan = off as $$
begin
  delete from jobs j where j.id = p_job;
  update integration_sync_logs g set status = 'skipped', code = p_code, finished_at = app_now(), details = g.details || p_details where g.id = p_job;
  update activity g set status = 'skipped', code = p_code, finished_at = app_now(), details = g.details || p_details where g.id = p_job;
end $$;

-- Puts failed jobs back at the ends of their lanes, in the order given, or joins them to a waiting twin. Ids, log rows and attempts are kept:
-- the history goes on. The caller has the lanes' locks and settles them afterwards. A job that is not failed any more has no row.
create function queue_requeue(p_jobs uuid[], p_priority smallint) returns table (job_id uuid, twin uuid) language plpgsql volatile
set enable_seqscan = off as $$
declare
  v_id uuid;
  v_job jobs%rowtype;
  v_tail bigint;
begin
  foreach v_id in array p_jobs loop
    -- Locked: retention takes failed jobs and asks no lane.
    select j.* into v_job from jobs j where j.id = v_id and j.state = 'failed' for update;
    continue when not found;
    job_id := v_id;
    twin := case when v_job.dedupe_key is not null then queue_find_twin(v_job.lane, v_job.dedupe_key) end;
    if twin is not null then
      update jobs j set priority = least(j.priority, p_priority), explicit = j.explicit or v_job.explicit,
        event_ids = array(select distinct e from unnest(j.event_ids || v_job.event_ids) e)
      where j.id = twin;
      perform queue_drop_job(v_id, null, jsonb_build_object('joined', twin));
    else
      update lanes l set tail = l.tail + 1 where l.key = v_job.lane returning l.tail into v_tail;
      update jobs j set state = 'queued', seq = v_tail, priority = p_priority, run_at = app_now(), attempts = 0, limited = 0, lost_attempts = 0,
        waiting_for = null, code = null, error_message = null, failed_at = null, started_at = null, cancelled_at = null
      where j.id = v_id;
      update integration_sync_logs g set status = 'pending', finished_at = null, code = null, error_message = null,
        details = g.details - 'resolution' where g.id = v_id;
      update activity g set status = 'pending', finished_at = null, code = null, error_message = null,
        details = g.details - 'resolution' where g.id = v_id;
    end if;
    return next;
  end loop;
end $$;

-- The job of an act, after its lane has been locked; outcome 'wrong_state' when only its log row is left, null when there is nothing.
create function queue_begin_act(p_firm uuid, p_job uuid) returns act_result language plpgsql volatile set enable_seqscan = off as $$
declare
  v_result act_result;
begin
  select 'found', j.firm_id, j.connection_id, null, '{}' into v_result from jobs j where j.id = p_job and (p_firm is null or j.firm_id = p_firm);
  if not found then
    select 'wrong_state', g.firm_id, g.connection_id, null, '{}' into v_result from queue_describe(p_firm, array[p_job]) g;
  end if;
  return v_result;
end $$;

create function queue_retry(p_firm uuid, p_job uuid) returns act_result language plpgsql volatile set enable_seqscan = off as $$
declare
  v_lanes text[] := queue_lock_lanes_of(array[p_job]);
  v_result act_result := queue_begin_act(p_firm, p_job);
  v_done record;
begin
  if v_result.outcome = 'found' then
    select r.* into v_done from queue_requeue(array[p_job], 0::smallint) r;
    v_result.outcome := case when not found then 'wrong_state' when v_done.twin is not null then 'joined' else 'queued' end;
    v_result.twin := v_done.twin;
    v_result.due := queue_settle_lanes(v_lanes);
  end if;
  return v_result;
end $$;

-- A failed job becomes skipped: nobody means to bring it about any more.
create function queue_skip(p_firm uuid, p_job uuid) returns act_result language plpgsql volatile set enable_seqscan = off as $$
declare
  v_lanes text[] := queue_lock_lanes_of(array[p_job]);
  v_result act_result := queue_begin_act(p_firm, p_job);
begin
  if v_result.outcome = 'found' then
    if exists (select 1 from jobs j where j.id = p_job and j.state = 'failed') then
      perform queue_drop_job(p_job, 'skipped_by_person', '{}');
      v_result.outcome := 'skipped';
    else
      v_result.outcome := 'wrong_state';
    end if;
  end if;
  return v_result;
end $$;

-- A waiting job ends at once; a running one is marked: its next permit is refused, and it ends.
create function queue_cancel(p_firm uuid, p_job uuid) returns act_result language plpgsql volatile set enable_seqscan = off as $$
declare
  v_lanes text[] := queue_lock_lanes_of(array[p_job]);
  v_result act_result := queue_begin_act(p_firm, p_job);
begin
  if v_result.outcome is distinct from 'found' then
    return v_result;
  end if;
  if exists (select 1 from jobs j where j.id = p_job and j.state <> 'queued') then
    v_result.outcome := 'wrong_state';
  elsif exists (select 1 from lanes l where l.key = any(v_lanes) and l.running_job = p_job) then
    update jobs j set cancelled_at = coalesce(j.cancelled_at, app_now()) where j.id = p_job;
    v_result.outcome := 'cancelling';
  else
    perform queue_drop_job(p_job, 'cancelled', '{}');
    v_result.outcome := 'cancelled';
    v_result.due := queue_settle_lanes(v_lanes);
  end if;
  return v_result;
end $$;

-- A job that was cancelled while it ran and was postponed by its last call would wait for its time only to be skipped: it ends now.
create function queue_end_cancelled(p_limit integer) returns uuid[] language plpgsql volatile set enable_seqscan = off as $$
declare
  v_jobs uuid[];
  v_lanes text[];
  v_job uuid;
begin
  select array_agg(x.id) into v_jobs from (
    select j.id from jobs j where j.state = 'queued' and j.cancelled_at is not null order by j.id limit p_limit) x;
  if v_jobs is null then
    return '{}';
  end if;
  v_lanes := queue_lock_lanes_of(v_jobs);
  for v_job in
    select j.id from unnest(v_jobs) k(id) cross join lateral (select x.* from jobs x where x.id = k.id limit 1) j
    where j.state = 'queued' and j.cancelled_at is not null and not exists (select 1 from lanes l where l.key = j.lane and l.running_job = j.id)
  loop
    perform queue_drop_job(v_job, 'cancelled', '{}');
  end loop;
  return queue_settle_lanes(v_lanes);
end $$;

-- A waiting job need not wait for its own time, and a person waits for it. It does not pass others of its lane, nor any pause.
create function queue_run_now(p_firm uuid, p_job uuid) returns act_result language plpgsql volatile set enable_seqscan = off as $$
declare
  v_lanes text[] := queue_lock_lanes_of(array[p_job]);
  v_result act_result := queue_begin_act(p_firm, p_job);
begin
  if v_result.outcome = 'found' then
    update jobs j set run_at = app_now(), waiting_for = null, priority = 0
    where j.id = p_job and j.state <> 'failed' and not exists (select 1 from lanes l where l.key = any(v_lanes) and l.running_job = p_job);
    v_result.outcome := case when found then 'hurried' else 'wrong_state' end;
    v_result.due := queue_settle_lanes(v_lanes);
  end if;
  return v_result;
end $$;

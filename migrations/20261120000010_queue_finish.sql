-- Finish: lanes whose key and fence still hold are locked, in key order, skip locked; all writes are for those alone.
-- What is not returned was locked by somebody (try again) or has another fence (drop it). A repeated finish is harmless.
--
-- An outcome: {"lane","fence","job_id","effect":"delete"|"fail"|"later","delay_ms","waiting_for","counted","limited",
--   "log_status","code","message","external_id","details","attempt":{"duration_ms","outcome","calls"},"follow_ups":[job…],"requeue_code"}

-- Writes the log row and the attempt of one outcome.
create function queue_write_history(p_outcome jsonb, p_now timestamptz) returns void language plpgsql volatile as $$
declare
  v_job jobs%rowtype;
  v_done boolean := p_outcome->>'effect' <> 'later';
begin
  select * into v_job from jobs j where j.id = (p_outcome->>'job_id')::uuid;
  if v_job.kind in ('sync_matter', 'sync_document', 'pull_matters') then
    update integration_sync_logs g set status = p_outcome->>'log_status', code = p_outcome->>'code', error_message = p_outcome->>'message',
      external_id = coalesce(p_outcome->>'external_id', g.external_id), details = g.details || coalesce(p_outcome->'details', '{}'),
      attempts = v_job.attempts, finished_at = case when v_done then p_now end
    where g.id = v_job.id;
  else
    update activity g set status = p_outcome->>'log_status', code = p_outcome->>'code', error_message = p_outcome->>'message',
      details = g.details || coalesce(p_outcome->'details', '{}'), attempts = v_job.attempts, finished_at = case when v_done then p_now end
    where g.id = v_job.id;
  end if;
  insert into attempts (job_id, number, firm_id, started_at, duration_ms, outcome, code, calls)
  values (v_job.id, v_job.executions, v_job.firm_id, p_now - (p_outcome->'attempt'->>'duration_ms')::integer * interval '1 ms',
    (p_outcome->'attempt'->>'duration_ms')::integer, p_outcome->'attempt'->>'outcome', p_outcome->>'code',
    coalesce(p_outcome->'attempt'->'calls', '[]'))
  on conflict (job_id, number) do nothing;
end $$;

-- Appends what a finished job asks for behind itself, in its own lane, and returns the lane's new tail.
create function queue_follow_up(p_lane lanes, p_outcome jsonb, p_run uuid) returns bigint language plpgsql volatile as $$
declare
  v_tail bigint := p_lane.tail;
  v_job jsonb;
begin
  if p_outcome->>'requeue_code' is not null then
    v_tail := queue_requeue_failed(p_lane.key, p_outcome->>'requeue_code', v_tail, p_run);
  end if;
  for v_job in select j from jsonb_array_elements(coalesce(p_outcome->'follow_ups', '[]')) with ordinality u(j, o) order by o loop
    if queue_place(v_job, v_tail + 1, p_lane.running_job, false) then
      v_tail := v_tail + 1;
    end if;
  end loop;
  return v_tail;
end $$;

-- Applies one outcome to its job and lane; the caller holds the lane's lock. True when the lane is ready at once.
create function queue_apply(p_lane lanes, p_outcome jsonb) returns boolean language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
  v_job jobs%rowtype;
  v_gone bigint := p_lane.gone_through;
  v_tail bigint := p_lane.tail;
  v_ready timestamptz;
begin
  update jobs j set
    attempts = j.attempts + (p_outcome->>'counted')::boolean::integer,
    limited = (p_outcome->>'limited')::integer
  where j.id = p_lane.running_job returning * into v_job;
  if v_job.id is not null then
    perform queue_write_history(p_outcome, v_now);
    if p_outcome->>'effect' = 'later' then
      update jobs j set run_at = v_now + (p_outcome->>'delay_ms')::bigint * interval '1 ms', waiting_for = p_outcome->>'waiting_for',
        lost_attempts = 0 where j.id = v_job.id;
    else
      v_gone := v_job.seq;
      v_tail := queue_follow_up(p_lane, p_outcome, v_job.run_id);
    end if;
    if p_outcome->>'effect' = 'delete' then
      delete from jobs j where j.id = v_job.id;
    elsif p_outcome->>'effect' = 'fail' then
      update jobs j set state = 'failed', code = p_outcome->>'code', error_message = p_outcome->>'message', failed_at = v_now, waiting_for = null
      where j.id = v_job.id;
    end if;
  end if;
  select greatest(j.run_at, v_now) into v_ready from jobs j
  where j.lane = p_lane.key and j.state = 'queued' and j.seq > v_gone order by j.seq limit 1;
  update lanes l set worker = null, running_job = null, gone_through = v_gone, tail = v_tail, ready_at = v_ready, changed_at = clock_timestamp()
  where l.key = p_lane.key;
  return v_ready <= v_now;
end $$;

create function queue_finish(p_worker uuid, p_outcomes jsonb) returns table (lane text, fence bigint, ready boolean) language plpgsql volatile as $$
declare
  v_keys text[];
  v_lane lanes%rowtype;
  v_outcome jsonb;
begin
  select array_agg(x.key) into v_keys from (
    select l.key from lanes l join jsonb_array_elements(p_outcomes) o on l.key = o->>'lane' and l.fence = (o->>'fence')::bigint
    where l.worker = p_worker and l.running_job = (o->>'job_id')::uuid
    order by l.key for update of l skip locked) x;
  for v_lane in select l.* from lanes l where l.key = any(v_keys) order by l.key loop
    select o into v_outcome from jsonb_array_elements(p_outcomes) o where o->>'lane' = v_lane.key and (o->>'fence')::bigint = v_lane.fence limit 1;
    lane := v_lane.key;
    fence := v_lane.fence;
    ready := queue_apply(v_lane, v_outcome);
    return next;
  end loop;
  perform queue_touch_connections(v_keys, p_outcomes);
end $$;

-- Connection rows are updated once a batch, after the lanes, in id order.
create function queue_touch_connections(p_keys text[], p_outcomes jsonb) returns void language plpgsql volatile as $$
declare
  v_connection record;
begin
  for v_connection in
    select l.connection_id as id, bool_or(o->>'log_status' = 'success') as synced,
      (array_agg(o->>'log_status' order by o->>'log_status' = 'failed' desc))[1] as worst
    from lanes l join jsonb_array_elements(p_outcomes) o on l.key = o->>'lane'
    where l.key = any(p_keys) and o->>'log_status' in ('success', 'failed') and coalesce((o->>'probe')::boolean, false) = false
    group by l.connection_id order by l.connection_id
  loop
    update firm_integrations c set
      last_sync_at = case when v_connection.synced then app_now() else c.last_sync_at end,
      last_outcome = v_connection.worst, last_outcome_at = app_now()
    where c.id = v_connection.id;
  end loop;
end $$;

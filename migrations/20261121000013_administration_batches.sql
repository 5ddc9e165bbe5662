-- Batches: a retry of many failed jobs, in their original order, no faster than their connections' budgets allow.
-- One worker at a time works them off (advisory lock), in short steps; a step's retries, its marks and its counts are one commit, so that a
-- worker that dies in the middle leaves a batch that the next one goes on with, and no job is retried twice.
-- Lock order: lanes in key order, then batches in id order, then the batches' jobs, which nobody else writes.

-- So many jobs of batches stand ready at a connection at most: what its bucket allows in a minute. Each job takes a call or more, so a batch
-- never puts more in front of a connection's other work than a minute's budget, and its lanes come last among those (background).
create function batch_pace(p_platform text, p_region text, p_firm uuid, p_connection uuid) returns integer language sql volatile as $$
  select least(greatest(coalesce(
    (select (b.budget::bigint * 60000 / b.window_ms)::integer from buckets b where b.key = bucket_of(p_platform, p_region, p_firm, p_connection)),
    case p_platform when 'clio' then 50 when 'lawmatics' then 50 when 'smokeball' then 300 else 1500 end), 1), 500);
$$;

create function batch_count(p_filter job_filter) returns bigint language plpgsql volatile set plan_cache_mode = force_custom_plan as $$
begin
  return (select count(*) from queue_failed_matching(p_filter));
end $$;

-- Fixes the jobs of a new batch and their order: oldest first, except that within a lane seq decides, whatever the clocks said.
create function batch_begin(p_batch uuid, p_firm uuid, p_filter job_filter, p_shown jsonb, p_author text) returns integer language plpgsql volatile
set plan_cache_mode = force_custom_plan as $$
declare
  v_counted integer;
begin
  insert into batches (id, firm_id, filter, author, created_at) values (p_batch, p_firm, p_shown, p_author, app_now());
  insert into batch_jobs (batch_id, position, firm_id, connection_id, job_id)
  select p_batch, row_number() over (order by m.since, m.lane, m.seq), m.firm_id, m.connection_id, m.id
  from (select j.*, max(j.created_at) over (partition by j.lane order by j.seq) as since from queue_failed_matching(p_filter) j) m;
  get diagnostics v_counted = row_count;
  update batches b set counted = v_counted, state = case when v_counted = 0 then 'done' else b.state end,
    finished_at = case when v_counted = 0 then app_now() end
  where b.id = p_batch;
  return v_counted;
end $$;

-- Stops a batch: what it has made ready goes on, what it has not stays failed. False when it is not there or has ended.
create function batch_cancel(p_firm uuid, p_batch uuid, p_author text) returns boolean language plpgsql volatile as $$
begin
  update batches b set state = 'cancelled', cancelled_by = p_author
  where b.id = p_batch and (p_firm is null or b.firm_id = p_firm) and b.state = 'running';
  return found;
end $$;

-- Counts retried jobs that have ended, and lets go of them.
create function batch_end_jobs(p_limit integer) returns integer language plpgsql volatile
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_ended integer;
begin
  with ended as materialized (
    select b.batch_id, b.position, b.job_id from batch_jobs b
    where b.retried_at is not null and not exists (select 1 from jobs j where j.id = b.job_id and j.state <> 'failed')
    limit p_limit),
  told as (
    select e.batch_id, g.status from ended e left join lateral (
      select s.status from integration_sync_logs s where s.id = e.job_id
      union all select a.status from activity a where a.id = e.job_id limit 1) g on true),
  gone as (delete from batch_jobs b using ended e where b.batch_id = e.batch_id and b.position = e.position returning b.batch_id),
  counted as (
    update batches b set succeeded = b.succeeded + c.succeeded, failed = b.failed + c.failed, skipped = b.skipped + c.others
    from (select t.batch_id, count(*) filter (where t.status = 'success') as succeeded, count(*) filter (where t.status = 'failed') as failed,
            count(*) filter (where t.status is null or t.status not in ('success', 'failed')) as others
          from told t group by t.batch_id) c
    where b.id = c.batch_id)
  select count(*) into v_ended from gone;
  return v_ended;
end $$;

-- The next jobs to be retried: each connection's up to its room, beginning behind p_after; at most p_limit in all.
create function batch_choose(p_after uuid, p_limit integer, out chosen batch_jobs[], out next_after uuid) language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_room integer;
  v_more batch_jobs[];
begin
  next_after := p_after;
  chosen := '{}';
  loop
    select b.connection_id into next_after from batch_jobs b
    where b.retried_at is null and (next_after is null or b.connection_id > next_after) order by b.connection_id limit 1;
    exit when next_after is null;
    select batch_pace(c.platform, c.region, c.firm_id, c.id) - (select count(*) from batch_jobs b where b.connection_id = c.id and b.retried_at is not null)
      into v_room from firm_integrations c where c.id = next_after;
    select array_agg(x::batch_jobs) into v_more from (
      select b.* from batch_jobs b
      where b.connection_id = next_after and b.retried_at is null and exists (select 1 from batches t where t.id = b.batch_id and t.state = 'running')
      order by b.batch_id, b.position limit least(greatest(v_room, 0), p_limit - cardinality(chosen))) x;
    chosen := chosen || coalesce(v_more, '{}');
    exit when cardinality(chosen) >= p_limit;
  end loop;
end $$;

-- Retries chosen jobs; those of a batch that has been cancelled meanwhile are left alone. Returns the connections with a lane that is due.
create function batch_retry(p_chosen batch_jobs[]) returns uuid[] language plpgsql volatile set enable_seqscan = off as $$
declare
  v_lanes text[] := queue_lock_lanes_of(array(select c.job_id from unnest(p_chosen) c));
  v_running uuid[];
begin
  select array_agg(x.id) into v_running from (
    select b.id from batches b where b.id in (select c.batch_id from unnest(p_chosen) c) and b.state = 'running' order by b.id for update) x;
  perform queue_requeue(array(select c.job_id from unnest(p_chosen) c where c.batch_id = any(v_running) order by c.batch_id, c.position), 2::smallint);
  update batch_jobs b set retried_at = app_now() from unnest(p_chosen) c
  where b.batch_id = c.batch_id and b.position = c.position and c.batch_id = any(v_running);
  return queue_settle_lanes(v_lanes);
end $$;

-- Lets go of what a cancelled batch has not begun, and closes batches that have nothing left.
create function batch_close(p_limit integer) returns void language plpgsql volatile set enable_seqscan = off as $$
begin
  delete from batch_jobs b using (
    select x.batch_id, x.position from batches t cross join lateral (
      select w.batch_id, w.position from batch_jobs w where w.batch_id = t.id and w.retried_at is null limit p_limit) x
    where t.finished_at is null and t.state = 'cancelled' limit p_limit) d
  where b.batch_id = d.batch_id and b.position = d.position;
  update batches b set finished_at = app_now(), state = case b.state when 'running' then 'done' else b.state end
  where b.finished_at is null and not exists (select 1 from batch_jobs w where w.batch_id = b.id);
  delete from batches b where b.finished_at < app_now() - interval '90 days';
end $$;

-- One step. acted: false when another worker is at it. busy: there are batches that are not finished.
create function batch_step(p_after uuid, p_limit integer, out acted boolean, out busy boolean, out retried integer, out ended integer,
  out next_after uuid, out due uuid[]) language plpgsql volatile set enable_seqscan = off as $$
declare
  v_chosen batch_jobs[];
begin
  retried := 0;
  ended := 0;
  acted := pg_try_advisory_xact_lock(110429429202946);
  busy := exists (select 1 from batches b where b.finished_at is null);
  if not acted or not busy then
    return;
  end if;
  select c.chosen, c.next_after into v_chosen, next_after from batch_choose(p_after, p_limit) c;
  retried := cardinality(v_chosen);
  if retried > 0 then
    due := batch_retry(v_chosen);
  end if;
  ended := batch_end_jobs(4 * p_limit);
  perform batch_close(20 * p_limit);
end $$;

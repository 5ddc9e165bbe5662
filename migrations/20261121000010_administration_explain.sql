-- Why a job does not run, and until when: one function, for the sync log, the job list and the pages. Nothing is locked here.

-- When a bucket has room again; null when it has now. The jitter that the permit adds is not known here: half a second is little.
create function bucket_free_at(p_bucket text) returns timestamptz language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
  v_at timestamptz;
begin
  select greatest(b.paused_until,
      case when x.used >= b.budget then x.sent[x.used - b.budget + 1] + b.window_ms * interval '1 ms' end)
    into v_at
    from buckets b
    cross join lateral (
      select array_agg(s order by s) as sent, count(*)::integer as used from unnest(b.sent) s
      where s > v_now - b.window_ms * interval '1 ms') x
    where b.key = p_bucket;
  return case when v_at > v_now then v_at end;
end $$;

-- The bucket that a connection's calls are taken from: as the platform counts, by token, by firm or by our client in a region.
create function bucket_of(p_platform text, p_region text, p_firm uuid, p_connection uuid) returns text language sql immutable as $$
  select p_platform || case
    when p_platform = 'clio' then ':' || p_connection
    when p_platform = 'lawmatics' then ':firm:' || p_firm
    else ':client:' || p_region end;
$$;

-- state: 'queued', 'running' or 'failed'. why: of a queued job, what is in its way: a pause ('paused', 'retry_after', 'breaker',
-- 'needs_reconnect'), 'behind:<job>' in its lane, its own time ('retry', 'limited', 'provider', 'contact', 'doubt', …), its bucket
-- ('limited'), or nothing but its 'turn'. until: null when nobody knows. A job that is not there has no row.
create function queue_explain(p_jobs uuid[]) returns table (job_id uuid, state text, why text, until timestamptz)
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_now timestamptz := app_now();
begin
  return query
  select j.id, case when j.state = 'failed' then 'failed' when l.running_job = j.id then 'running' else 'queued' end, w.why, w.until
  from unnest(p_jobs) k(id)
  cross join lateral (select x.* from jobs x where x.id = k.id limit 1) j
  left join lateral (select x.running_job, x.gone_through from lanes x where x.key = j.lane limit 1) l on true
  left join lateral (
    select x.platform, x.region, coalesce(x.troubled_at, '-infinity') as troubled_at from firm_integrations x where x.id = j.connection_id limit 1) c on true
  left join lateral (
    select x.id from jobs x where x.lane = j.lane and x.state = 'queued' and x.seq > l.gone_through order by x.seq limit 1) h on true
  left join lateral (
    select x.reason, x.until from pauses x
    where x.scope = any(array['all', 'platform:' || c.platform, 'region:' || c.platform || ':' || c.region, 'connection:' || j.connection_id])
      and x.until > v_now
      -- As a visit has it: the one that tries for its platform may, until its try has failed.
      and not (x.trying is not distinct from j.connection_id and c.troubled_at < x.trying_since)
    order by x.until desc, x.reason limit 1) p on true
  left join lateral (select bucket_free_at(bucket_of(c.platform, c.region, j.firm_id, j.connection_id)) as at where p.reason is null and h.id = j.id) b on true
  left join lateral (
    select r.* from (values
      (1, p.reason, nullif(p.until, 'infinity'), p.reason is not null),
      (2, 'behind:' || h.id, null, h.id <> j.id),
      (3, coalesce(j.waiting_for, 'turn'), j.run_at, j.run_at > v_now),
      (4, 'limited', b.at, b.at is not null),
      (5, 'turn', null, true)) r(rank, why, until, holds)
    where r.holds and j.state = 'queued' and l.running_job is distinct from j.id
    order by r.rank limit 1) w on true;
end $$;

-- Everything that is told of jobs, in the order asked for: of those that are still there, and of those that live on as their log row.
create type described_job as (
  id uuid, firm_id uuid, connection_id uuid, platform text, kind text, state text, matter_id uuid, upload_id uuid, run_id uuid, priority smallint,
  created_at timestamptz, run_at timestamptz, finished_at timestamptz, attempts integer, executions integer, cancel_requested boolean,
  code text, message text, details jsonb, external_id text, why text, until timestamptz);

-- p_firm null: of all firms.
create function queue_describe(p_firm uuid, p_jobs uuid[]) returns setof described_job language plpgsql volatile set enable_seqscan = off as $$
begin
  return query
  select k.id, g.firm_id, g.connection_id, c.platform, g.kind,
    coalesce(x.state, case g.status when 'success' then 'done' when 'pending' then 'queued' else g.status end),
    g.matter_id, g.upload_id, g.run_id, j.priority, g.created_at, j.run_at, g.finished_at, g.attempts, j.executions,
    j.cancelled_at is not null, g.code, g.error_message, g.details, g.external_id, x.why, x.until
  from unnest(p_jobs) with ordinality k(id, o)
  cross join lateral (
    select s.firm_id, s.integration_id as connection_id, s.action as kind, s.status, s.matter_id, s.upload_id, s.run_id, s.created_at,
      s.finished_at, s.attempts, s.code, s.error_message, s.details, s.external_id
    from integration_sync_logs s where s.id = k.id
    union all
    select a.firm_id, a.connection_id, a.kind, a.status, null, null, a.run_id, a.created_at, a.finished_at, a.attempts, a.code,
      a.error_message, a.details, null
    from activity a where a.id = k.id and a.author is null
    limit 1) g
  left join lateral (select i.platform from firm_integrations i where i.id = g.connection_id limit 1) c on true
  left join lateral (select q.* from jobs q where q.id = k.id limit 1) j on true
  left join queue_explain(p_jobs) x on x.job_id = k.id
  where p_firm is null or g.firm_id = p_firm
  order by k.o;
end $$;

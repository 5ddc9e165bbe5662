-- state: 'queued', 'running' or 'failed'.
-- why: of a queued job, what is in its way: a pause ('paused', 'operator', 'retry_after', 'breaker',
-- 'needs_reconnect'), 'behind:<job>' in its lane, its own time ('retry', 'limited', 'provider', 'contact', 'doubt', …),
-- its bucket ('limited'), or nothing but its 'turn'.
-- until: null when that is not known.
-- A job that is not there has no row.
--
-- Example. Job 8 waits behind job 7, and a person has paused their connection until 10:00. Job 8 is 'queued', 'paused',
-- 10:00. The pause ends, and job 7 starts: job 8 is 'queued', 'behind:7', null, and job 7 is 'running', null, null.
-- Job 7 ends, and the bucket has room: job 8 is 'queued', 'turn', null until a worker takes it.
create or replace function queue_explain(p_jobs uuid[])
returns table (job_id uuid, state text, why text, until timestamptz)
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_now timestamptz := app_now();
begin
  return query
  select job.id,
    case when job.state = 'failed' then 'failed' when lane.running_job = job.id then 'running' else 'queued' end,
    reason.why, reason.until
  from unnest(p_jobs) wanted(id)
  cross join lateral (select job.* from jobs job where job.id = wanted.id limit 1) job
  left join lateral (
    select lane.running_job, lane.gone_through from lanes lane where lane.key = job.lane limit 1) lane on true
  left join lateral (
    select integration.platform, integration.region, coalesce(integration.troubled_at, '-infinity') as troubled_at
    from firm_integrations integration
    where integration.id = job.connection_id
    limit 1) connection on true
  left join lateral (
    select first.id
    from jobs first
    where first.lane = job.lane and first.state = 'queued' and first.seq > lane.gone_through
    order by first.seq
    limit 1) head on true
  left join lateral (
    select pause.reason, pause.until
    from pauses pause
    where pause.scope = any(array[
        'all',
        'platform:' || connection.platform,
        'region:' || connection.platform || ':' || connection.region,
        'connection:' || job.connection_id])
      and pause.until > v_now
      -- As a visit has it: the one that tries for its platform may, until its try has failed.
      and not (pause.trying is not distinct from job.connection_id and connection.troubled_at < pause.trying_since)
    order by pause.until desc, pause.reason
    limit 1) pause on true
  left join lateral (
    select bucket_free_at(bucket_of(connection.platform, connection.region, job.firm_id, job.connection_id)) as at
    where pause.reason is null and head.id = job.id) bucket on true
  left join lateral (
    select reason.*
    from (values
      (1, pause.reason, nullif(pause.until, 'infinity'), pause.reason is not null),
      (2, 'behind:' || head.id, null, head.id <> job.id),
      (3, coalesce(job.waiting_for, 'turn'), job.run_at, job.run_at > v_now),
      (4, 'limited', bucket.at, bucket.at is not null),
      (5, 'turn', null, true)) reason(rank, why, until, holds)
    where reason.holds and job.state = 'queued' and lane.running_job is distinct from job.id
    order by reason.rank
    limit 1) reason on true;
end $$;

-- state: 'queued', 'running' or 'failed'. why: of a queued job, what is in its way: a pause ('paused', 'retry_after', 'breaker',
-- 'needs_reconnect'), 'behind:<job>' in its lane, its own time ('retry', 'limited', 'provider', 'contact', 'doubt', …), its bucket
-- ('limited'), or nothing but its 'turn'. until: null when nobody knows. A job that is not there has no row.
create or replace function queue_explain(p_jobs uuid[]) returns table (job_id uuid, state text, why text, until timestamptz)
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

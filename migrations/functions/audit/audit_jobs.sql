-- Checks jobs. A failed job waits in no lane, and its log row has ended.
create or replace function audit_jobs(p_ids uuid[]) returns setof audit_finding language plpgsql volatile set enable_seqscan = off as $$
begin
  return query
  select r.rule, j.lane, j.id, j.connection_id, l.fence
  from unnest(p_ids) k(id)
  cross join lateral (select x.* from jobs x where x.id = k.id limit 1) j
  left join lateral (select x.key, x.ready_at, x.worker, x.gone_through, x.fence from lanes x where x.key = j.lane limit 1) l on true
  left join lateral (select 1 as one from integration_sync_logs g where g.id = j.id and g.status = 'pending' limit 1) g on true
  left join lateral (select 1 as one from activity a where g.one is null and a.id = j.id and a.status = 'pending' limit 1) a on true
  cross join lateral (values
    ('job_without_lane', l.key is null),
    ('left_behind', j.seq <= l.gone_through),
    ('idle_with_job', l.key is not null and l.ready_at is null and l.worker is null),
    ('job_without_log', g.one is null and a.one is null)
  ) r(rule, is_broken)
  where j.state = 'queued' and r.is_broken;
end $$;

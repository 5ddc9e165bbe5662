-- Checks jobs. A failed job waits in no lane, and its log row has ended.
--
-- Example. Job 7 waits with seq 5 in a lane whose gone_through is 8: 'left_behind'. Job 8 waits in a lane that is
-- neither ready nor held: 'idle_with_job'. Job 9 waits, and its log row is 'success': 'job_without_log'. Job 10 has
-- failed: it has no row, whatever its lane is like.
create or replace function audit_jobs(p_ids uuid[]) returns setof audit_finding
language plpgsql volatile set enable_seqscan = off as $$
begin
  return query
  select rule.rule, job.lane, job.id, job.connection_id, lane.fence
  from unnest(p_ids) wanted(id)
  cross join lateral (select job.* from jobs job where job.id = wanted.id limit 1) job
  left join lateral (
    select lane.key, lane.ready_at, lane.worker, lane.gone_through, lane.fence
    from lanes lane
    where lane.key = job.lane
    limit 1) lane on true
  left join lateral (
    select 1 as one
    from integration_sync_logs log
    where log.id = job.id and log.status = 'pending'
    limit 1) log on true
  left join lateral (
    select 1 as one
    from activity entry
    where log.one is null and entry.id = job.id and entry.status = 'pending'
    limit 1) entry on true
  cross join lateral (values
    ('job_without_lane', lane.key is null),
    ('left_behind', job.seq <= lane.gone_through),
    ('idle_with_job', lane.key is not null and lane.ready_at is null and lane.worker is null),
    ('job_without_log', log.one is null and entry.one is null)
  ) rule(rule, is_broken)
  where job.state = 'queued' and rule.is_broken;
end $$;

-- Checks lanes.
-- A lane's head is read from where it has gone through: behind that lie the dead rows of everything it ever did.
--
-- Example. Lane A is idle, and job 7 waits in it: ('idle_with_job', A, 7). Worker W holds lane B for job 8, while job 6
-- waits before job 8: ('holds_not_its_head', B, 8). W's lease also ended more than a lease ago: B has a second row,
-- 'held_by_the_dead'. Lane C keeps all rules and has no row.
create or replace function audit_lanes(p_keys text[]) returns setof audit_finding
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_now timestamptz := app_now();
  v_slack interval := interval '1 minute';
begin
  return query
  select rule.rule, lane.key, coalesce(lane.running_job, head.id), lane.connection_id, lane.fence
  from unnest(p_keys) wanted(key)
  cross join lateral (select lane.* from lanes lane where lane.key = wanted.key limit 1) lane
  left join lateral (
    select job.id, job.run_at
    from jobs job
    where job.lane = lane.key and job.state = 'queued' and job.seq > lane.gone_through
    order by job.seq
    limit 1) head on true
  left join lateral (
    select job.lane, job.state from jobs job where job.id = lane.running_job limit 1) running on true
  left join lateral (
    select worker.id, worker.alive_until, worker.lease_ms
    from workers worker
    where worker.id = lane.worker
    limit 1) holder on true
  cross join lateral (values
    ('idle_with_job', lane.ready_at is null and lane.worker is null and head.id is not null),
    ('ready_without_job', lane.ready_at is not null and head.id is null),
    ('ready_out_of_step', lane.ready_at is not null and head.id is not null
      and (lane.ready_at + v_slack < head.run_at
        or lane.ready_at > v_now + v_slack and lane.ready_at > head.run_at + v_slack)),
    ('held_by_nobody', lane.worker is not null and holder.id is null),
    ('held_by_the_dead', lane.worker is not null
      and holder.alive_until + holder.lease_ms * interval '1 ms' < v_now),
    ('holds_no_job', lane.worker is not null
      and (running.lane is distinct from lane.key or running.state is distinct from 'queued')),
    ('holds_not_its_head', lane.worker is not null and running.lane = lane.key and running.state = 'queued'
      and head.id is distinct from lane.running_job)
  ) rule(rule, is_broken)
  where rule.is_broken;
end $$;

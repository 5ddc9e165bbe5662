-- Writes job, log and attempt of each outcome; the caller holds the locks of their lanes.
create or replace function queue_write_outcomes(p_outcomes job_outcome[], p_now timestamptz) returns ended_job[] language plpgsql volatile
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
      waiting_since = case when o.effect = 'later' then queue_waiting_since(j.waiting_for, j.waiting_since, o.waiting_for, p_now) end,
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

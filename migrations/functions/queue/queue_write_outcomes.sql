-- Writes job, log and attempt of each outcome; the caller holds the locks of their lanes.
--
-- Example. Job 1's outcome is 'delete' with log status 'success': its row goes, its log row ends as 'success', and
-- attempts has one row more. Job 2's is 'later', in 10 s: its row stays with run_at 10 s ahead, and its log row does
-- not end. Lane C's job has vanished: C is returned as 'later' with seq null, so that the lane is freed.
create or replace function queue_write_outcomes(p_outcomes job_outcome[], p_now timestamptz) returns ended_job[]
language plpgsql volatile set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_ended ended_job[];
  v_outcomes job_outcome[] := p_outcomes;
begin
  if exists (
    select 1 from unnest(p_outcomes) said where said.effect = 'fail' or said.code = 'provider_unavailable') then
    v_outcomes := queue_troubled_outcomes(p_outcomes);
  end if;
  with outcome as materialized (select * from unnest(v_outcomes)),
  gone as (
    delete from jobs job
    using outcome
    where outcome.effect = 'delete' and job.id = outcome.job_id
    returning outcome.*, job.seq, job.firm_id, job.kind, job.run_id,
      job.attempts + outcome.counted::integer as attempts, job.executions + 1 as number),
  kept as (
    update jobs job set
      attempts = job.attempts + outcome.counted::integer,
      limited = outcome.limited,
      executions = job.executions + 1,
      started_at = coalesce(job.started_at, p_now - outcome.duration_ms * interval '1 ms'),
      run_at = case outcome.effect
        when 'later' then p_now + coalesce(outcome.delay_ms, 0) * interval '1 ms'
        else job.run_at end,
      waiting_for = case outcome.effect when 'later' then outcome.waiting_for end,
      waiting_since = case when outcome.effect = 'later' then
        queue_waiting_since(
          job.waiting_for, job.waiting_since, outcome.waiting_for, outcome.waits_anew, p_now) end,
      state = case outcome.effect when 'fail' then 'failed' else job.state end,
      code = case outcome.effect when 'fail' then outcome.code end,
      error_message = case outcome.effect when 'fail' then outcome.message end,
      cause = case outcome.effect when 'fail' then queue_cause(outcome.message) end,
      failed_at = case outcome.effect when 'fail' then p_now end
    from outcome
    where outcome.effect <> 'delete' and job.id = outcome.job_id
    returning outcome.*, job.seq, job.firm_id, job.kind, job.run_id, job.attempts, job.executions as number),
  ended as materialized (select * from gone union all select * from kept),
  logged as (
    update integration_sync_logs log set
      status = ended.log_status,
      code = ended.code,
      error_message = ended.message,
      external_id = coalesce(ended.external_id, log.external_id),
      details = log.details || coalesce(ended.details, '{}'),
      attempts = ended.attempts,
      finished_at = case when ended.effect <> 'later' then p_now end
    from ended
    where ended.kind in ('sync_matter', 'sync_document', 'pull_matters') and log.id = ended.job_id),
  acted as (
    update activity entry set
      status = ended.log_status,
      code = ended.code,
      error_message = ended.message,
      details = entry.details || coalesce(ended.details, '{}'),
      attempts = ended.attempts,
      finished_at = case when ended.effect <> 'later' then p_now end
    from ended
    where ended.kind not in ('sync_matter', 'sync_document', 'pull_matters') and entry.id = ended.job_id),
  tried as (
    insert into attempts (job_id, number, firm_id, started_at, duration_ms, outcome, code, calls)
    select ended.job_id, ended.number, ended.firm_id, p_now - ended.duration_ms * interval '1 ms',
      ended.duration_ms, ended.outcome, ended.code, coalesce(ended.calls, '[]')
    from ended
    on conflict (job_id, number) do nothing)
  select array_agg(told::ended_job) into v_ended
  from (
    select ended.lane, ended.fence, ended.effect, coalesce(ended.continue_lane, false) as continue_lane, ended.seq,
      ended.run_id, ended.follow_ups, ended.requeue_code
    from ended) told;
  if coalesce(cardinality(v_ended), 0) < cardinality(p_outcomes) then
    -- A lane whose job has vanished is freed all the same.
    select v_ended || array_agg(vanished::ended_job) into v_ended
    from (
      select outcome.lane, outcome.fence, 'later' as effect, false as continue_lane, null::bigint as seq,
        null::uuid as run_id, null::jsonb as follow_ups, null::text as requeue_code
      from unnest(p_outcomes) outcome
      where not exists (select 1 from unnest(v_ended) ended where ended.lane = outcome.lane)) vanished;
  end if;
  return v_ended;
end $$;

-- Frees one lane whose holder is gone; the caller holds its lock. The running job goes back to the lane's head.
-- A worker dies with all jobs that it runs, and one of them may be the cause. So a loss by itself judges no job: one
-- that was lost twice runs alone, and fails when it is lost there. A job that takes its process down with it ends here
-- and not in an endless chain of dead workers, and takes no other job with it.
-- A process that runs alone dies with its machine too. Where the worker that started it is dead as well, a loss judges
-- the job only when it is the 6th.
--
-- Example. A worker died while it ran jobs 7 and 8. The first time, both get an attempt 'lost' and stay the heads of
-- their lanes, which become ready. The second time, their lanes become suspect as well: only a worker that runs alone
-- takes them. Job 7 ends well there. With job 8 that worker dies too: job 8 becomes 'failed' with code 'worker_lost',
-- its log row ends, and the next job is the head.
create or replace function queue_release_lost(p_lane text, p_job uuid) returns void
language plpgsql volatile set enable_seqscan = off as $$
declare
  c_words constant text := 'the worker died each time it ran this job, the last time with no other job beside it';
  v_now timestamptz := app_now();
  v_since timestamptz;
  v_alone boolean;
  v_by_itself boolean;
  v_lost jobs%rowtype;
begin
  select lane.changed_at, coalesce(holder.alone, false),
      coalesce(holder.started_by is null or starter.alive_until > v_now, false)
    into v_since, v_alone, v_by_itself
  from lanes lane
  left join workers holder on holder.id = lane.worker
  left join workers starter on starter.id = holder.started_by
  where lane.key = p_lane;
  update jobs job set
    lost_attempts = job.lost_attempts + 1,
    executions = job.executions + 1,
    started_at = coalesce(job.started_at, v_since)
  where job.id = p_job
  returning * into v_lost;
  insert into attempts (job_id, number, firm_id, started_at, duration_ms, outcome)
  select v_lost.id, v_lost.executions, v_lost.firm_id, v_since,
    (extract(epoch from clock_timestamp() - v_since) * 1000)::integer, 'lost'
  where v_lost.id is not null
  on conflict do nothing;
  if v_alone and (v_by_itself and v_lost.lost_attempts >= 3 or v_lost.lost_attempts >= 6) then
    update jobs job set
      state = 'failed', code = 'worker_lost', failed_at = v_now, error_message = c_words, cause = queue_cause(c_words)
    where job.id = p_job;
    update integration_sync_logs log set
      status = 'failed', code = 'worker_lost', finished_at = v_now, attempts = v_lost.attempts,
      error_message = c_words
    where log.id = p_job;
    update activity entry set
      status = 'failed', code = 'worker_lost', finished_at = v_now, attempts = v_lost.attempts,
      error_message = c_words
    where entry.id = p_job;
    update lanes lane set gone_through = v_lost.seq where lane.key = p_lane;
  end if;
  update lanes lane set worker = null, running_job = null, transferring = false where lane.key = p_lane;
  perform queue_refresh_lanes(array[p_lane]);
end $$;

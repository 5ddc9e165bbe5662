-- Frees one lane whose holder is gone; the caller holds its lock. The running job goes back to its head, or fails when it was lost three times.
-- A job that takes its process down with it ends here and not in an endless chain of dead workers.
create or replace function queue_release_lost(p_lane text, p_job uuid) returns void language plpgsql volatile
set enable_seqscan = off as $$
declare
  v_now timestamptz := app_now();
  v_since timestamptz;
  v_lost jobs%rowtype;
begin
  select l.changed_at into v_since from lanes l where l.key = p_lane;
  update jobs j set lost_attempts = j.lost_attempts + 1, executions = j.executions + 1, started_at = coalesce(j.started_at, v_since)
  where j.id = p_job returning * into v_lost;
  insert into attempts (job_id, number, firm_id, started_at, duration_ms, outcome)
  select v_lost.id, v_lost.executions, v_lost.firm_id, v_since, (extract(epoch from clock_timestamp() - v_since) * 1000)::integer, 'lost'
  where v_lost.id is not null
  on conflict do nothing;
  if v_lost.lost_attempts >= 3 then
    update jobs j set state = 'failed', code = 'worker_lost', failed_at = v_now,
      error_message = 'the worker died three times while it ran this job' where j.id = p_job;
    update integration_sync_logs g set status = 'failed', code = 'worker_lost', finished_at = v_now, attempts = v_lost.attempts,
      error_message = 'the worker died three times while it ran this job' where g.id = p_job;
    update activity g set status = 'failed', code = 'worker_lost', finished_at = v_now, attempts = v_lost.attempts,
      error_message = 'the worker died three times while it ran this job' where g.id = p_job;
    update lanes l set gone_through = v_lost.seq where l.key = p_lane;
  end if;
  update lanes l set worker = null, running_job = null, transferring = false where l.key = p_lane;
  perform queue_refresh_lanes(array[p_lane]);
end $$;

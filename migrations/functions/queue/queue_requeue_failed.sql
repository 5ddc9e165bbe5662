-- Puts failed jobs of one lane, whose lock the caller holds, back at the lane's end, oldest first. Id, log row and
-- history are kept. Returns the lane's new tail.
create or replace function queue_requeue_failed(p_lane text, p_code text, p_tail bigint, p_run uuid) returns bigint
language plpgsql volatile as $$
declare
  v_job record;
  v_tail bigint := p_tail;
begin
  for v_job in
    select job.id
    from jobs job
    where job.lane = p_lane and job.state = 'failed' and job.code = p_code
    order by job.seq
    for update
  loop
    v_tail := v_tail + 1;
    update jobs job set
      state = 'queued', seq = v_tail, run_at = app_now(), run_id = p_run,
      attempts = 0, limited = 0, lost_attempts = 0,
      waiting_for = null, waiting_since = null, code = null, error_message = null, failed_at = null,
      started_at = null, cancelled_at = null
    where job.id = v_job.id;
    update integration_sync_logs log set
      status = 'pending', finished_at = null, code = null, error_message = null, run_id = p_run,
      details = log.details - 'resolution'
    where log.id = v_job.id;
  end loop;
  return v_tail;
end $$;

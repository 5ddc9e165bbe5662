-- Puts failed jobs of one lane, whose lock the caller holds, back at the lane's end, oldest first, or joins them to
-- their waiting duplicates. Id, log row, run and history are kept; requeued_by names the run that they follow from now
-- on. What was asked for by name stays so. Returns the lane's new tail.
--
-- Example. A lane has tail 9. Jobs 3 and 4 have failed with code 'x', and job 8, which waits, has job 4's dedupe_key.
-- Job 3 comes back with seq 10, job 4 joins job 8, and the answer is 10.
create or replace function queue_requeue_failed(p_lane text, p_code text, p_tail bigint, p_run uuid) returns bigint
language plpgsql volatile as $$
declare
  v_job jobs%rowtype;
  v_duplicate uuid;
  v_tail bigint := p_tail;
begin
  for v_job in
    select job.*
    from jobs job
    where job.lane = p_lane and job.state = 'failed' and job.code = p_code
    order by job.seq
    for update
  loop
    v_duplicate := case
      when v_job.dedupe_key is not null then queue_find_duplicate(p_lane, v_job.dedupe_key) end;
    if v_duplicate is not null then
      perform queue_join(v_job, v_duplicate, v_job.priority, v_job.explicit);
      update integration_sync_logs log set requeued_by = p_run where log.id = v_job.id;
    else
      v_tail := v_tail + 1;
      update jobs job set
        state = 'queued', seq = v_tail, run_at = app_now(),
        attempts = 0, limited = 0, lost_attempts = 0,
        waiting_for = null, waiting_since = null, code = null, error_message = null, cause = null,
        failed_at = null, started_at = null, cancelled_at = null
      where job.id = v_job.id;
      update integration_sync_logs log set
        status = 'pending', finished_at = null, code = null, error_message = null, requeued_by = p_run,
        details = log.details - 'resolution'
      where log.id = v_job.id;
    end if;
  end loop;
  return v_tail;
end $$;

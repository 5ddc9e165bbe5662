-- Puts failed jobs back at the ends of their lanes, in the order given, or joins them to a waiting duplicate. A person
-- asked for it, so each of them counts as asked for by name. Ids, log rows and attempts are kept: the history goes on.
-- The caller has the lanes' locks and settles them afterwards. A job that is not failed any more has no row.
--
-- Example. Jobs 3 and 4 of a lane with tail 12 have failed, and job 11, which waits there, has job 4's dedupe_key.
-- Requeued, job 3 waits with seq 13, its counters at 0 and its log row 'pending' again. Job 4 joins job 11: its row
-- goes, and its log row is 'skipped'. The answer is (3, null) and (4, 11).
create or replace function queue_requeue(p_jobs uuid[], p_priority smallint)
returns table (job_id uuid, duplicate uuid)
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_id uuid;
  v_job jobs%rowtype;
  v_tail bigint;
begin
  foreach v_id in array p_jobs loop
    -- Locked: retention takes failed jobs and asks no lane.
    select job.* into v_job from jobs job where job.id = v_id and job.state = 'failed' for update;
    continue when not found;
    job_id := v_id;
    duplicate := case
      when v_job.dedupe_key is not null then queue_find_duplicate(v_job.lane, v_job.dedupe_key) end;
    if duplicate is not null then
      perform queue_join(v_job, duplicate, p_priority, true);
    else
      update lanes lane set tail = lane.tail + 1 where lane.key = v_job.lane returning lane.tail into v_tail;
      update jobs job set
        state = 'queued', seq = v_tail, priority = p_priority, explicit = true, run_at = app_now(),
        attempts = 0, limited = 0, lost_attempts = 0,
        waiting_for = null, waiting_since = null, code = null, error_message = null, cause = null,
        failed_at = null, started_at = null, cancelled_at = null
      where job.id = v_id;
      update integration_sync_logs log set
        status = 'pending', finished_at = null, code = null, error_message = null,
        details = log.details - 'resolution' - 'suspected'
      where log.id = v_id;
      update activity entry set
        status = 'pending', finished_at = null, code = null, error_message = null,
        details = entry.details - 'resolution'
      where entry.id = v_id;
    end if;
    return next;
  end loop;
end $$;

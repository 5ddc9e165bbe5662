-- Puts failed jobs back at the ends of their lanes, in the order given, or joins them to a waiting duplicate: a person asked for it, so each of
-- them counts as asked for by name. Ids, log rows and attempts are kept: the history goes on. The caller has the lanes' locks and settles them afterwards. A job that is not failed any more has no row.
create or replace function queue_requeue(p_jobs uuid[], p_priority smallint) returns table (job_id uuid, duplicate uuid) language plpgsql volatile
set enable_seqscan = off as $$
declare
  v_id uuid;
  v_job jobs%rowtype;
  v_tail bigint;
begin
  foreach v_id in array p_jobs loop
    -- Locked: retention takes failed jobs and asks no lane.
    select j.* into v_job from jobs j where j.id = v_id and j.state = 'failed' for update;
    continue when not found;
    job_id := v_id;
    duplicate := case when v_job.dedupe_key is not null then queue_find_duplicate(v_job.lane, v_job.dedupe_key) end;
    if duplicate is not null then
      update jobs j set priority = least(j.priority, p_priority), explicit = true,
        event_ids = array(select distinct e from unnest(j.event_ids || v_job.event_ids) e)
      where j.id = duplicate;
      perform queue_drop_job(v_id, null, jsonb_build_object('joined', duplicate));
    else
      update lanes l set tail = l.tail + 1 where l.key = v_job.lane returning l.tail into v_tail;
      update jobs j set state = 'queued', seq = v_tail, priority = p_priority, explicit = true, run_at = app_now(), attempts = 0, limited = 0, lost_attempts = 0,
        waiting_for = null, waiting_since = null, code = null, error_message = null, failed_at = null, started_at = null, cancelled_at = null
      where j.id = v_id;
      update integration_sync_logs g set status = 'pending', finished_at = null, code = null, error_message = null,
        details = g.details - 'resolution' where g.id = v_id;
      update activity g set status = 'pending', finished_at = null, code = null, error_message = null,
        details = g.details - 'resolution' where g.id = v_id;
    end if;
    return next;
  end loop;
end $$;

-- Ends a waiting or failed job without running it, under its lane's lock: it lives on as its log row. The words of a
-- failure that is not its end are kept as last_error.
create or replace function queue_drop_job(p_job uuid, p_code text, p_details jsonb) returns void
language plpgsql volatile set enable_seqscan = off as $$
begin
  delete from jobs job where job.id = p_job;
  update integration_sync_logs log set
    status = 'skipped', code = p_code, error_message = null, finished_at = app_now(),
    details = log.details - 'resolution' || queue_last_error(log.code, log.error_message) || p_details
  where log.id = p_job;
  update activity entry set
    status = 'skipped', code = p_code, error_message = null, finished_at = app_now(),
    details = entry.details - 'resolution' || queue_last_error(entry.code, entry.error_message) || p_details
  where entry.id = p_job;
end $$;

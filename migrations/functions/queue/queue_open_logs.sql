-- Opens the log rows of jobs: integration_sync_logs for the three published actions, activity for the rest.
create or replace function queue_open_logs(p_jobs new_job[]) returns void language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
begin
  insert into integration_sync_logs (
    id, firm_id, integration_id, matter_id, upload_id, action, details, run_id, created_at)
  select job.id, job.firm_id, job.connection_id, job.matter_id, job.upload_id, job.kind,
    jsonb_build_object('events', to_jsonb(job.event_ids)), job.run_id, v_now
  from unnest(p_jobs) job
  where job.kind in ('sync_matter', 'sync_document', 'pull_matters');
  insert into activity (id, firm_id, connection_id, kind, details, run_id, created_at)
  select job.id, job.firm_id, job.connection_id, job.kind,
    case when cardinality(job.event_ids) > 0 then jsonb_build_object('events', to_jsonb(job.event_ids)) else '{}' end,
    job.run_id, v_now
  from unnest(p_jobs) job
  where job.kind not in ('sync_matter', 'sync_document', 'pull_matters');
end $$;

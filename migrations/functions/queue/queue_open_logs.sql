-- Opens the log rows of jobs: integration_sync_logs for the three published actions, activity for the rest.
create or replace function queue_open_logs(p_jobs new_job[]) returns void language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
begin
  insert into integration_sync_logs (id, firm_id, integration_id, matter_id, upload_id, action, details, run_id, created_at)
  select n.id, n.firm_id, n.connection_id, n.matter_id, n.upload_id, n.kind, jsonb_build_object('events', to_jsonb(n.event_ids)), n.run_id, v_now
  from unnest(p_jobs) n where n.kind in ('sync_matter', 'sync_document', 'pull_matters');
  insert into activity (id, firm_id, connection_id, kind, details, run_id, created_at)
  select n.id, n.firm_id, n.connection_id, n.kind,
    case when cardinality(n.event_ids) > 0 then jsonb_build_object('events', to_jsonb(n.event_ids)) else '{}' end, n.run_id, v_now
  from unnest(p_jobs) n where n.kind not in ('sync_matter', 'sync_document', 'pull_matters');
end $$;

-- Joins jobs to their waiting duplicates, named side by side: the duplicate keeps the highest priority, the union of flags, and every event id.
-- A duplicate that gains nothing is not written: a matter's follow-ups mostly ask for documents that wait already.
create or replace function queue_merge_duplicates(p_jobs new_job[], p_twins uuid[]) returns void language plpgsql volatile
set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_now timestamptz := app_now();
begin
  with joining as materialized (
    select * from rows from (unnest(p_jobs), unnest(p_twins)) n(id, firm_id, connection_id, lane, kind, priority, matter_id, upload_id, explicit,
      run_id, dedupe_key, event_ids, seq, note_join, duplicate)),
  gained as (
    select g.duplicate, min(g.priority) as priority, bool_or(g.explicit) as explicit, coalesce(array_agg(e.id) filter (where e.id is not null), '{}') as event_ids
    from joining g left join lateral unnest(g.event_ids) e(id) on true group by g.duplicate),
  merged as (
    update jobs j set priority = least(j.priority, g.priority), explicit = j.explicit or g.explicit,
      event_ids = array(select distinct e from unnest(j.event_ids || g.event_ids) e)
    from gained g
    where j.id = g.duplicate and (g.priority < j.priority or g.explicit and not j.explicit or not g.event_ids <@ j.event_ids)),
  logged as (
    insert into integration_sync_logs (id, firm_id, integration_id, matter_id, upload_id, action, status, details, run_id, created_at, finished_at)
    select g.id, g.firm_id, g.connection_id, g.matter_id, g.upload_id, g.kind, 'skipped',
      jsonb_build_object('joined', g.duplicate, 'events', to_jsonb(g.event_ids)), g.run_id, v_now, v_now
    from joining g where g.note_join and g.kind in ('sync_matter', 'sync_document', 'pull_matters'))
  insert into activity (id, firm_id, connection_id, kind, status, details, run_id, created_at, finished_at)
  select g.id, g.firm_id, g.connection_id, g.kind, 'skipped', jsonb_build_object('joined', g.duplicate), g.run_id, v_now, v_now
  from joining g where g.note_join and g.kind not in ('sync_matter', 'sync_document', 'pull_matters');
end $$;

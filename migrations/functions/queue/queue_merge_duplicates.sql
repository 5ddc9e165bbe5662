-- Joins jobs to their waiting duplicates, named side by side. The duplicate keeps the highest priority, the union of
-- flags, and the newest event ids. A duplicate that gains nothing is not written: a matter's follow-ups mostly ask for
-- documents that wait already.
--
-- Example. Jobs 1 and 2, each for event e1 and with note_join, join job 9, which waits with priority 1 and event e0.
-- Job 2 has priority 0. Job 9 then has priority 0 and the events e0 and e1. Jobs 1 and 2 get no row in jobs: each gets
-- a log row 'skipped' whose details name job 9.
create or replace function queue_merge_duplicates(p_jobs new_job[], p_twins uuid[]) returns void
language plpgsql volatile set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_now timestamptz := app_now();
begin
  with joining as materialized (
    select *
    from rows from (unnest(p_jobs), unnest(p_twins))
      given(id, firm_id, connection_id, lane, kind, priority, matter_id, upload_id, explicit, run_id, dedupe_key,
        event_ids, seq, note_join, duplicate)),
  gained as (
    select joining.duplicate, min(joining.priority) as priority, bool_or(joining.explicit) as explicit,
      coalesce(array_agg(event.id) filter (where event.id is not null), '{}') as event_ids
    from joining
    left join lateral unnest(joining.event_ids) event(id) on true
    group by joining.duplicate),
  merged as (
    update jobs job set
      priority = least(job.priority, gained.priority),
      explicit = job.explicit or gained.explicit,
      event_ids = queue_newest_events(job.event_ids, gained.event_ids)
    from gained
    where job.id = gained.duplicate
      and (gained.priority < job.priority
        or gained.explicit and not job.explicit
        or not gained.event_ids <@ job.event_ids)),
  logged as (
    insert into integration_sync_logs (
      id, firm_id, integration_id, matter_id, upload_id,
      action, status, details,
      run_id, created_at, finished_at)
    select joining.id, joining.firm_id, joining.connection_id, joining.matter_id, joining.upload_id,
      joining.kind, 'skipped', jsonb_build_object('joined', joining.duplicate, 'events', to_jsonb(joining.event_ids)),
      joining.run_id, v_now, v_now
    from joining
    where joining.note_join and joining.kind in ('sync_matter', 'sync_document', 'pull_matters'))
  insert into activity (id, firm_id, connection_id, kind, status, details, run_id, created_at, finished_at)
  select joining.id, joining.firm_id, joining.connection_id, joining.kind, 'skipped',
    jsonb_build_object('joined', joining.duplicate), joining.run_id, v_now, v_now
  from joining
  where joining.note_join and joining.kind not in ('sync_matter', 'sync_document', 'pull_matters');
end $$;

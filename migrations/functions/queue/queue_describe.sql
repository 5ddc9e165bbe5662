-- p_firm null: of all firms.
--
-- Example. Job 1 waits in its lane and job 2 was done yesterday; [2, 1] is asked for. Job 2 comes first: state 'done',
-- read from its log row, and null in what only a job's row says (priority, run_at, executions). Job 1 follows: state
-- 'queued', and why and until as queue_explain says them. An id with no log row has no row here.
create or replace function queue_describe(p_firm uuid, p_jobs uuid[]) returns setof described_job
language plpgsql volatile set enable_seqscan = off as $$
begin
  return query
  select wanted.id, history.firm_id, history.connection_id, connection.platform, history.kind,
    coalesce(
      explained.state,
      case history.status when 'success' then 'done' when 'pending' then 'queued' else history.status end),
    history.matter_id, history.upload_id, history.run_id, job.priority, history.created_at, job.run_at,
    history.finished_at, history.attempts, job.executions, job.cancelled_at is not null, history.code,
    history.error_message, history.details, history.external_id, explained.why, explained.until
  from unnest(p_jobs) with ordinality wanted(id, place)
  cross join lateral (
    select log.firm_id, log.integration_id as connection_id, log.action as kind, log.status, log.matter_id,
      log.upload_id, log.run_id, log.created_at, log.finished_at, log.attempts, log.code, log.error_message,
      log.details, log.external_id
    from integration_sync_logs log
    where log.id = wanted.id
    union all
    select entry.firm_id, entry.connection_id, entry.kind, entry.status, null,
      null, entry.run_id, entry.created_at, entry.finished_at, entry.attempts, entry.code, entry.error_message,
      entry.details, null
    from activity entry
    where entry.id = wanted.id and entry.author is null
    limit 1) history
  left join lateral (
    select integration.platform from firm_integrations integration
    where integration.id = history.connection_id limit 1) connection on true
  left join lateral (select job.* from jobs job where job.id = wanted.id limit 1) job on true
  left join queue_explain(p_jobs) explained on explained.job_id = wanted.id
  where p_firm is null or history.firm_id = p_firm
  order by wanted.place;
end $$;

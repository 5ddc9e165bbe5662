-- p_firm null: of all firms.
create or replace function queue_describe(p_firm uuid, p_jobs uuid[]) returns setof described_job language plpgsql volatile set enable_seqscan = off as $$
begin
  return query
  select k.id, g.firm_id, g.connection_id, c.platform, g.kind,
    coalesce(x.state, case g.status when 'success' then 'done' when 'pending' then 'queued' else g.status end),
    g.matter_id, g.upload_id, g.run_id, j.priority, g.created_at, j.run_at, g.finished_at, g.attempts, j.executions,
    j.cancelled_at is not null, g.code, g.error_message, g.details, g.external_id, x.why, x.until
  from unnest(p_jobs) with ordinality k(id, o)
  cross join lateral (
    select s.firm_id, s.integration_id as connection_id, s.action as kind, s.status, s.matter_id, s.upload_id, s.run_id, s.created_at,
      s.finished_at, s.attempts, s.code, s.error_message, s.details, s.external_id
    from integration_sync_logs s where s.id = k.id
    union all
    select a.firm_id, a.connection_id, a.kind, a.status, null, null, a.run_id, a.created_at, a.finished_at, a.attempts, a.code,
      a.error_message, a.details, null
    from activity a where a.id = k.id and a.author is null
    limit 1) g
  left join lateral (select i.platform from firm_integrations i where i.id = g.connection_id limit 1) c on true
  left join lateral (select q.* from jobs q where q.id = k.id limit 1) j on true
  left join queue_explain(p_jobs) x on x.job_id = k.id
  where p_firm is null or g.firm_id = p_firm
  order by k.o;
end $$;

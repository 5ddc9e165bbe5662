-- The statement that walks the rows a page may be made of. It gives id, created_at and whether the row is one of those looked for.
-- $1 filter, $2 and $3 the row (created_at, id) to begin behind, $4 the firm.
create or replace function queue_walk(p_filter job_filter, p_firm uuid, p_from_start boolean) returns text language plpgsql volatile as $$
declare
  v_in_lanes boolean := p_filter.state in ('queued', 'failed');
  v_source text;
  v_id text := 'r.id';
  v_order text;
  v_where text := '';
begin
  if p_filter.state = 'running' then
    v_source := 'select j.id, j.created_at, j.connection_id, j.kind, j.matter_id, j.code, ''running'' as state from lanes l
      join jobs j on j.id = l.running_job where l.worker is not null and ($4 is null or l.firm_id = $4)';
  elsif v_in_lanes and p_filter.matter_id is not null then
    v_source := 'select j.id, j.created_at, j.connection_id, j.kind, j.matter_id, j.code, j.state from firm_integrations c
      join jobs j on j.lane = ''out:'' || c.id || '':'' || ($1).matter_id and j.state = ' || quote_literal(p_filter.state) || '
      where c.firm_id = $4';
  elsif v_in_lanes then
    -- In the words of jobs_of_firm and jobs_failed_newest; 'not (state = …)' would become '<>', which no index knows.
    if p_firm is not null or p_filter.state = 'failed' then
      v_id := 'nullif(r.id, ''00000000-0000-0000-0000-000000000000'')';
    end if;
    v_source := 'select j.id, j.created_at, j.connection_id, j.kind, j.matter_id, j.code, j.state from jobs j where '
      || case p_filter.state when 'failed' then 'j.state = ''failed''' else '(j.state = ''failed'') is false' end
      || case when p_firm is not null then ' and j.firm_id = $4' else '' end
      || case when p_filter.state = 'failed' and p_filter.code is not null and p_firm is null then ' and j.code = ($1).code' else '' end;
  else
    -- Done and skipped jobs live on as their log rows, and every other job has one too. No condition stands inside of the union: only
    -- then are its parts merged in the order of their indexes.
    v_where := case when p_firm is not null then ' and r.firm_id = $4' else '' end
      || case when p_firm is not null and p_filter.created_before is not null then ' and r.created_at < ($1).created_before' else '' end
      || case when p_firm is not null and p_filter.created_after is not null then ' and r.created_at >= ($1).created_after' else '' end
      || case when p_filter.matter_id is not null then ' and r.matter_id = ($1).matter_id' else '' end;
    v_source := concat_ws(' union all ',
      case when p_filter.kind is null or p_filter.kind in ('sync_matter', 'sync_document', 'pull_matters') then
        'select l.id, l.created_at, l.integration_id as connection_id, l.action as kind, l.matter_id, l.code, l.status as state, l.firm_id
         from integration_sync_logs l' end,
      case when p_filter.matter_id is null and (p_filter.kind is null or p_filter.kind not in ('sync_matter', 'sync_document', 'pull_matters')) then
        'select a.id, a.created_at, a.connection_id, a.kind, null::uuid as matter_id, a.code,
           case when a.author is null then a.status else ''act'' end as state, a.firm_id from activity a' end);
    if v_source = '' then
      return null;
    end if;
    if p_firm is not null then
      v_order := 'r.created_at desc, r.id desc';
    end if;
  end if;
  return 'select r.id, r.created_at, (' || case
        when p_filter.state is null then 'r.state <> ''act'''
        when p_filter.state in ('done', 'skipped') then 'r.state = ' || quote_literal(case p_filter.state when 'done' then 'success' else 'skipped' end)
        else 'true' end || '
      and (($1).kind is null or r.kind = ($1).kind) and (($1).code is null or r.code = ($1).code)
      and (($1).matter_id is null or r.matter_id = ($1).matter_id)
      and (($1).created_after is null or r.created_at >= ($1).created_after) and (($1).created_before is null or r.created_at < ($1).created_before)
      and (($1).platform is null or ($1).platform = (select c.platform from firm_integrations c where c.id = r.connection_id))) as hit
    from (' || v_source || ') r where true' || v_where
    || case when v_order is null then
         case when not p_from_start then ' and ' || v_id || ' < $3' else '' end
         || case when p_filter.created_before is not null then ' and ' || v_id || ' < queue_id_at(($1).created_before, queue_id_slack())' else '' end
         || case when p_filter.created_after is not null then ' and ' || v_id || ' >= queue_id_at(($1).created_after, -queue_id_slack())' else '' end
       when not p_from_start then ' and (r.created_at, r.id) < ($2, $3)' else '' end
    || ' order by ' || coalesce(v_order, v_id || ' desc');
end $$;

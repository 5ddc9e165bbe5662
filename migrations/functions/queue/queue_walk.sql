-- The statement that walks the rows a page may be made of. It gives id, created_at and whether the row is one of those
-- looked for.
-- $1: the filter. $2 and $3: the row (created_at, id) to begin behind. $4: the firm.
--
-- Example. An operator lists failed jobs of all firms, from the start: the statement reads jobs whose state is
-- 'failed', by id, newest first, along the index jobs_failed_newest. A firm's admin lists done jobs behind a row: the
-- statement reads the firm's rows of integration_sync_logs and activity that come before it, by (created_at, id), and
-- hit is true where the status is 'success'.
create or replace function queue_walk(p_filter job_filter, p_firm uuid, p_from_start boolean) returns text
language plpgsql volatile as $$
declare
  v_in_lanes boolean := p_filter.state in ('queued', 'failed');
  v_source text;
  v_id text := 'listed.id';
  v_order text;
  v_where text := '';
begin
  if p_filter.state = 'running' then
    v_source := '
      select job.id, job.created_at, job.connection_id, job.kind, job.matter_id, job.code, ''running'' as state
      from lanes lane
      join jobs job on job.id = lane.running_job
      where lane.worker is not null and ($4 is null or lane.firm_id = $4)';
  elsif v_in_lanes and p_filter.matter_id is not null then
    v_source := '
      select job.id, job.created_at, job.connection_id, job.kind, job.matter_id, job.code, job.state
      from firm_integrations connection
      join jobs job on job.lane = ''out:'' || connection.id || '':'' || ($1).matter_id
        and job.state = ' || quote_literal(p_filter.state) || '
      where connection.firm_id = $4';
  elsif v_in_lanes then
    -- In the words of jobs_of_firm and jobs_failed_newest; 'not (state = …)' would become '<>', which no index knows.
    if p_firm is not null or p_filter.state = 'failed' then
      v_id := 'nullif(listed.id, ''00000000-0000-0000-0000-000000000000'')';
    end if;
    v_source := '
      select job.id, job.created_at, job.connection_id, job.kind, job.matter_id, job.code, job.state
      from jobs job
      where '
      || case p_filter.state when 'failed' then 'job.state = ''failed''' else '(job.state = ''failed'') is false' end
      || case when p_firm is not null then ' and job.firm_id = $4' else '' end
      || case when p_filter.state = 'failed' and p_filter.code is not null and p_firm is null then
           ' and job.code = ($1).code' else '' end;
  else
    -- Done and skipped jobs live on as their log rows, and every other job has one too. No condition stands inside of
    -- the union: only then are its parts merged in the order of their indexes.
    v_where := case when p_firm is not null then ' and listed.firm_id = $4' else '' end
      || case when p_firm is not null and p_filter.created_before is not null then
           ' and listed.created_at < ($1).created_before' else '' end
      || case when p_firm is not null and p_filter.created_after is not null then
           ' and listed.created_at >= ($1).created_after' else '' end
      || case when p_filter.matter_id is not null then ' and listed.matter_id = ($1).matter_id' else '' end;
    v_source := concat_ws('
      union all ',
      case when p_filter.kind is null or p_filter.kind in ('sync_matter', 'sync_document', 'pull_matters') then '
      select log.id, log.created_at, log.integration_id as connection_id, log.action as kind, log.matter_id, log.code,
        log.status as state, log.firm_id
      from integration_sync_logs log' end,
      case when p_filter.matter_id is null
        and (p_filter.kind is null or p_filter.kind not in ('sync_matter', 'sync_document', 'pull_matters')) then '
      select entry.id, entry.created_at, entry.connection_id, entry.kind, null::uuid as matter_id, entry.code,
        case when entry.author is null then entry.status else ''act'' end as state, entry.firm_id
      from activity entry' end);
    if v_source = '' then
      return null;
    end if;
    if p_firm is not null then
      v_order := 'listed.created_at desc, listed.id desc';
    end if;
  end if;
  return '
    select listed.id, listed.created_at, ('
    || case
         when p_filter.state is null then 'listed.state <> ''act'''
         when p_filter.state in ('done', 'skipped') then 'listed.state = '
           || quote_literal(case p_filter.state when 'done' then 'success' else 'skipped' end)
         else 'true' end || '
      and (($1).kind is null or listed.kind = ($1).kind)
      and (($1).code is null or listed.code = ($1).code)
      and (($1).matter_id is null or listed.matter_id = ($1).matter_id)
      and (($1).created_after is null or listed.created_at >= ($1).created_after)
      and (($1).created_before is null or listed.created_at < ($1).created_before)
      and (($1).platform is null or ($1).platform = (
        select connection.platform
        from firm_integrations connection
        where connection.id = listed.connection_id))) as hit
    from (' || v_source || ') listed
    where true' || v_where
    || case when v_order is null then
         case when not p_from_start then ' and ' || v_id || ' < $3' else '' end
         || case when p_filter.created_before is not null then
              ' and ' || v_id || ' < queue_id_at(($1).created_before, queue_id_slack())' else '' end
         || case when p_filter.created_after is not null then
              ' and ' || v_id || ' >= queue_id_at(($1).created_after, -queue_id_slack())' else '' end
       when not p_from_start then ' and (listed.created_at, listed.id) < ($2, $3)' else '' end || '
    order by ' || coalesce(v_order, v_id || ' desc');
end $$;

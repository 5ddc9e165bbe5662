-- Lists of jobs that cost the same whatever lies in the tables: each page walks one index in its order, newest first, and looks at no more
-- rows than it was told to. So a page may be short, or empty, and still name where the next one begins.

-- What a list is narrowed to; null does not narrow. A type of its own, so that list, count and batch mean the same.
create type job_filter as (
  firm_id uuid, state text, platform text, kind text, matter_id uuid, code text, created_after timestamptz, created_before timestamptz);

-- The least id (version 7) that can have been drawn at a time, less what clocks and waiting transactions may differ by.
create function queue_id_at(p_at timestamptz, p_slack interval) returns uuid language sql immutable as $$
  select (lpad(to_hex(greatest(floor(extract(epoch from p_at + p_slack) * 1000)::bigint, 0)), 12, '0') || repeat('0', 20))::uuid;
$$;
create function queue_id_slack() returns interval language sql immutable as $$ select interval '5 minutes' $$;

-- The firm of a filter: its own, or that of its matter, so that a matter's jobs are found by key.
create function queue_firm_of(p_filter job_filter) returns uuid language sql volatile as $$
  select coalesce(p_filter.firm_id, (select m.firm_id from matters m where m.id = p_filter.matter_id));
$$;

-- The statement that walks the rows a page may be made of. It gives id, created_at and whether the row is one of those looked for.
-- $1 filter, $2 and $3 the row (created_at, id) to begin behind, $4 the firm.
create function queue_walk(p_filter job_filter, p_firm uuid, p_from_start boolean) returns text language plpgsql volatile as $$
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

-- A page: the ids found, and, where it ended before the walk did, one row more (found null) that says after which row to go on.
create function queue_list(p_filter job_filter, p_after_at timestamptz, p_after_id uuid, p_limit integer, p_look integer)
returns table (id uuid, created_at timestamptz, found boolean) language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = on as $$
declare
  v_firm uuid := queue_firm_of(p_filter);
  v_walk text := queue_walk(p_filter, v_firm, p_after_id is null);
  v_row record;
  v_looked integer := 0;
  v_found integer := 0;
begin
  if v_walk is null or p_filter.matter_id is not null and v_firm is null then
    return;
  end if;
  -- Walks that go by id stand in the index's order; the two small ones (running, one matter's) are sorted.
  if p_filter.state is distinct from 'running' and not (p_filter.matter_id is not null and coalesce(p_filter.state in ('queued', 'failed'), false)) then
    perform set_config('enable_sort', 'off', true);
  end if;
  for v_row in execute v_walk using p_filter, p_after_at, p_after_id, v_firm loop
    v_looked := v_looked + 1;
    if v_row.hit then
      v_found := v_found + 1;
      return query select v_row.id, v_row.created_at, true;
    end if;
    if v_found = p_limit or v_looked = p_look then
      return query select v_row.id, v_row.created_at, null::boolean;
      exit;
    end if;
  end loop;
end $$;

-- Failed jobs that match, in no order. The filter's own state is not looked at.
create function queue_failed_matching(p_filter job_filter) returns setof jobs language sql stable as $$
  select j.* from jobs j
  where j.state = 'failed'
    and ((p_filter).firm_id is null or j.firm_id = (p_filter).firm_id)
    and ((p_filter).kind is null or j.kind = (p_filter).kind)
    and ((p_filter).matter_id is null or j.matter_id = (p_filter).matter_id)
    and ((p_filter).code is null or j.code = (p_filter).code)
    and ((p_filter).created_after is null or j.created_at >= (p_filter).created_after)
    and ((p_filter).created_before is null or j.created_at < (p_filter).created_before)
    and ((p_filter).platform is null or j.connection_id in (select c.id from firm_integrations c where c.platform = (p_filter).platform));
$$;

-- A message without what differs from job to job: ids, numbers, quoted text.
create function queue_cause(p_message text) returns text language sql immutable as $$
  select regexp_replace(regexp_replace(regexp_replace(p_message,
    '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', '#', 'gi'),
    '"[^"]*"|''[^'']*''', '"…"', 'g'), '[0-9]+', '#', 'g');
$$;

-- Failed jobs by cause, most frequent first; of the newest p_look ones alone: looked_at says how many that were.
create function queue_failures(p_filter job_filter, p_look integer, p_limit integer) returns table (
  platform text, code text, message text, jobs bigint, first_failed_at timestamptz, last_failed_at timestamptz, example_id uuid, looked_at bigint)
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set plan_cache_mode = force_custom_plan as $$
begin
  return query
  with looked as materialized (
    select j.connection_id, j.code, j.error_message, j.failed_at, j.id from jobs j
    where j.state = 'failed' and (p_filter.firm_id is null or j.firm_id = p_filter.firm_id)
      and (p_filter.kind is null or j.kind = p_filter.kind) and (p_filter.code is null or j.code = p_filter.code)
    order by nullif(j.id, '00000000-0000-0000-0000-000000000000') desc limit p_look),
  told as (
    select c.platform, l.code, queue_cause(l.error_message) as message, l.failed_at, l.id
    from looked l join firm_integrations c on c.id = l.connection_id where p_filter.platform is null or c.platform = p_filter.platform)
  select t.platform, t.code, t.message, count(*), min(t.failed_at), max(t.failed_at), (array_agg(t.id order by t.failed_at desc))[1],
    (select count(*) from looked)
  from told t group by t.platform, t.code, t.message order by count(*) desc, t.code limit p_limit;
end $$;

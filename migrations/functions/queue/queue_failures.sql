-- Failed jobs by cause, most frequent first; of the newest p_look ones alone: looked_at says how many that were.
create or replace function queue_failures(p_filter job_filter, p_look integer, p_limit integer) returns table (
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

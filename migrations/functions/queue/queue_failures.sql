-- Failed jobs by cause, most frequent first.
-- Only the newest p_look ones are looked at: looked_at says how many that were.
create or replace function queue_failures(p_filter job_filter, p_look integer, p_limit integer)
returns table (
  platform text, code text, message text, jobs bigint, first_failed_at timestamptz, last_failed_at timestamptz,
  example_id uuid, looked_at bigint)
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
set plan_cache_mode = force_custom_plan as $$
begin
  return query
  with looked as materialized (
    select job.connection_id, job.code, job.cause, job.error_message, job.failed_at, job.id
    from jobs job
    where job.state = 'failed'
      and (p_filter.firm_id is null or job.firm_id = p_filter.firm_id)
      and (p_filter.kind is null or job.kind = p_filter.kind)
      and (p_filter.code is null or job.code = p_filter.code)
    order by nullif(job.id, '00000000-0000-0000-0000-000000000000') desc
    limit p_look),
  told as (
    select connection.platform, looked.code, coalesce(looked.cause, queue_cause(looked.error_message)) as message,
      looked.failed_at, looked.id
    from looked
    join firm_integrations connection on connection.id = looked.connection_id
    where p_filter.platform is null or connection.platform = p_filter.platform)
  select told.platform, told.code, told.message, count(*), min(told.failed_at), max(told.failed_at),
    (array_agg(told.id order by told.failed_at desc))[1], (select count(*) from looked)
  from told
  group by told.platform, told.code, told.message
  order by count(*) desc, told.code
  limit p_limit;
end $$;

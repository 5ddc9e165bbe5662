-- Walks the next part of one table. A walk through a whole table takes about p_walk_parts parts, each of p_least to
-- p_most pages. A walk that has ended begins anew an hour after its beginning. Returns the rows deleted, or null when
-- there was nothing to walk: the time has not come, or another worker is at it.
--
-- Example. A table has 1,000 pages; p_walk_parts is 10, p_least 8 and p_most 5,000. The first call walks the pages 0 to
-- 99, the tenth the pages 900 to 999; then next_page is 0 again. Each call returns how many rows it deleted, maybe 0.
-- Until an hour after the first call, a further call returns null.
create or replace function retention_walk(
  p_name text, p_days integer, p_sealed_days integer, p_walk_parts integer, p_least integer, p_most integer)
returns bigint language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
  v_before timestamptz := v_now - p_days * interval '1 day';
  v_sealed_before timestamptz := v_now - p_sealed_days * interval '1 day';
  v_table regclass := case p_name
    when 'logs' then 'integration_sync_logs'
    when 'failed_jobs' then 'jobs'
    else p_name end;
  v_at retentions%rowtype;
  v_pages bigint;
  v_part bigint;
  v_from tid;
  v_to tid;
  v_gone bigint;
begin
  perform 1 from retentions walk where walk.name = p_name for update skip locked;
  if not found then
    return null;
  end if;
  select * into v_at from retentions walk where walk.name = p_name;
  if v_at.next_page = 0 and v_at.began_at > v_now - interval '1 hour' then
    return null;
  end if;
  v_pages := pg_relation_size(v_table) / current_setting('block_size')::bigint;
  v_part := least(greatest(v_pages / p_walk_parts, p_least), p_most);
  v_from := format('(%s,0)', v_at.next_page)::tid;
  v_to := format('(%s,0)', v_at.next_page + v_part)::tid;
  v_gone := case p_name
    when 'logs' then retention_history(v_table, v_from, v_to, v_before, v_sealed_before)
    when 'activity' then retention_history(v_table, v_from, v_to, v_before, v_sealed_before)
    when 'events' then retention_events(v_from, v_to, v_before)
    when 'webhook_events' then retention_webhook_events(v_from, v_to, v_before)
    when 'failed_jobs' then retention_failed_jobs(v_from, v_to, v_before) end;
  update retentions walk set
    next_page = case when v_at.next_page + v_part < v_pages then v_at.next_page + v_part else 0 end,
    began_at = case when v_at.next_page = 0 then v_now else walk.began_at end
  where walk.name = p_name;
  return v_gone;
end $$;

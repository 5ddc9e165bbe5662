-- Retention: what is old goes in small batches. Each table is walked in the order of its pages, part after part, a part a transaction,
-- and what is too old in a part is deleted. So no hot table needs an index by time for it, no plan depends on how much there is, and
-- the locks are those of the deleted rows alone. A row goes within some hours of its time.

-- retentions: where the walk through each table stands. One row a table, made here, for ever; written by the worker that walks it.
create table retentions (
  name text collate "C" primary key check (name in ('logs', 'activity', 'events', 'webhook_events', 'failed_jobs')),
  next_page bigint not null default 0,
  began_at timestamptz
);
insert into retentions (name) values ('logs'), ('activity'), ('events'), ('webhook_events'), ('failed_jobs');
grant select, update on retentions to casehug_worker;

-- How each walk's rows are found and their kin deleted: by place and by key, nothing else (bitmap scans cannot run without a key).
-- Attempts go with their log row, of either history. A log row stays as long as its job is there.
create function retention_history(p_table regclass, p_from tid, p_to tid, p_before timestamptz, p_sealed_before timestamptz) returns bigint
language plpgsql volatile set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_gone uuid[];
begin
  execute format('
    update %s g set details = g.details - ''provider_words''
    where g.ctid >= $1 and g.ctid < $2 and g.finished_at < $3 and g.details ? ''provider_words''', p_table)
    using p_from, p_to, p_sealed_before;
  execute format('
    with gone as (
      delete from %s g
      where g.ctid >= $1 and g.ctid < $2 and g.finished_at < $3 and (select j.id from jobs j where j.id = g.id) is null returning g.id)
    select array_agg(g.id) from gone g', p_table)
    into v_gone using p_from, p_to, p_before;
  delete from attempts a where a.job_id = any(v_gone);
  return coalesce(cardinality(v_gone), 0);
end $$;

create function retention_events(p_from tid, p_to tid, p_before timestamptz) returns bigint language plpgsql volatile
set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_gone bigint;
begin
  delete from events e where e.ctid >= p_from and e.ctid < p_to and e.received_at < p_before and e.status <> 'waiting';
  get diagnostics v_gone = row_count;
  return v_gone;
end $$;

create function retention_webhook_events(p_from tid, p_to tid, p_before timestamptz) returns bigint language plpgsql volatile
set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_gone bigint;
begin
  delete from webhook_events e where e.ctid >= p_from and e.ctid < p_to and e.received_at < p_before;
  get diagnostics v_gone = row_count;
  return v_gone;
end $$;

-- A failed job stands in no lane's order any more: its going moves no lane. Its log row stays and says what happened.
create function retention_failed_jobs(p_from tid, p_to tid, p_before timestamptz) returns bigint language plpgsql volatile
set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_gone bigint;
begin
  delete from jobs j where j.ctid >= p_from and j.ctid < p_to and j.state = 'failed' and j.failed_at < p_before;
  get diagnostics v_gone = row_count;
  return v_gone;
end $$;

-- Walks the next part of one table. A walk through a whole table takes about p_walk_parts parts, each of p_least to p_most pages;
-- a walk that has ended begins anew an hour after its beginning. Returns the rows deleted, or null when there was nothing to walk:
-- the time has not come, or somebody else is at it.
create function retention_walk(p_name text, p_days integer, p_sealed_days integer, p_walk_parts integer, p_least integer, p_most integer)
returns bigint language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
  v_before timestamptz := v_now - p_days * interval '1 day';
  v_sealed_before timestamptz := v_now - p_sealed_days * interval '1 day';
  v_table regclass := case p_name when 'logs' then 'integration_sync_logs' when 'failed_jobs' then 'jobs' else p_name end;
  v_at retentions%rowtype;
  v_pages bigint;
  v_part bigint;
  v_from tid;
  v_to tid;
  v_gone bigint;
begin
  perform 1 from retentions r where r.name = p_name for update skip locked;
  if not found then
    return null;
  end if;
  select * into v_at from retentions r where r.name = p_name;
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
  update retentions r set next_page = case when v_at.next_page + v_part < v_pages then v_at.next_page + v_part else 0 end,
    began_at = case when v_at.next_page = 0 then v_now else r.began_at end
  where r.name = p_name;
  return v_gone;
end $$;

-- Where a scheduled task that goes through much in small steps goes on.
alter table schedules add column place bigint not null default 0;

-- Idle lanes, the least lately turned first, at most p_limit of them behind p_after: those that have been idle for a day are deleted,
-- unless a failed job still names them. Returns where the next look goes on; null at the end, or where lanes begin to be younger.
-- A lane that somebody is just using is skipped.
create function retention_idle_lanes(p_after bigint, p_limit integer) returns bigint language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_old timestamptz := app_now() - interval '1 day';
  v_keys text[];
  v_last bigint;
  v_seen integer;
  v_young integer;
begin
  select array_agg(l.key order by l.key) filter (where l.changed_at < v_old), max(l.turn), count(*), count(*) filter (where l.changed_at >= v_old)
    into v_keys, v_last, v_seen, v_young
    from (select x.key, x.turn, x.changed_at from lanes x where x.ready_at is null and x.worker is null and x.turn >= p_after order by x.turn limit p_limit) l;
  v_keys := array(select l.key from unnest(v_keys) k(key)
    cross join lateral (select x.key from lanes x where x.key = k.key and x.ready_at is null and x.worker is null and x.changed_at < v_old
      for update skip locked) l);
  delete from lanes l where l.key = any(v_keys) and not exists (select 1 from jobs j where j.lane = l.key);
  return case when v_seen = p_limit and v_young < v_seen then v_last end;
end $$;

select guard_functions('{retention}');

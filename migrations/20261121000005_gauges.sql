-- Gauges of the whole database, cheap enough for every worker every few seconds: each looks at a bounded part, by an index.
-- The oldest due lane is found by one step a connection (20,000 at most); a connection that is paused is not waiting for us.

create function gauge_queue(out oldest_ready_ms bigint, out stuck bigint, out held bigint) language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_now timestamptz := app_now();
begin
  select coalesce(max(extract(epoch from v_now - r.first_ready_at) * 1000), 0)::bigint,
    count(*) filter (where r.first_ready_at < v_now - interval '1 minute'
      and not exists (select 1 from lanes l where l.connection_id = r.connection_id and l.worker is not null))
    into oldest_ready_ms, stuck
    from queue_ready_connections('00000000-0000-0000-0000-000000000000', 20000) r
    cross join lateral (select c.platform from firm_integrations c where c.id = r.connection_id limit 1) c
    where r.first_ready_at <= v_now and not queue_is_paused(r.connection_id, c.platform);
  select count(*), stuck + count(*) filter (where w.id is null or w.alive_until + w.lease_ms * interval '1 ms' < v_now) into held, stuck
    from lanes l left join lateral (select x.* from workers x where x.id = l.worker limit 1) w on true where l.worker is not null;
end $$;

create function gauge_service(out inbox_lag_ms bigint, out workers_alive bigint, out changed_audit_ms bigint, out full_audit_ms bigint)
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_now timestamptz := app_now();
begin
  inbox_lag_ms := coalesce((select extract(epoch from clock_timestamp() - e.received_at) * 1000 from events e
    where e.status = 'waiting' order by e.position limit 1), 0)::bigint;
  workers_alive := (select count(*) from workers w where w.alive_until > v_now);
  changed_audit_ms := (select extract(epoch from v_now - a.ended_at) * 1000 from audits a where a.name = 'changed')::bigint;
  full_audit_ms := (select extract(epoch from v_now - a.ended_at) * 1000 from audits a where a.name = 'full')::bigint;
end $$;

-- The oldest transaction id that somebody still needs, and the next one to be given. A login without pg_read_all_stats may see what
-- others' sessions need, and not since when; so callers date ids by what was next when.
create function gauge_oldest_xid(out oldest bigint, out next bigint) language plpgsql volatile as $$
begin
  next := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
  select next - max(greatest(age(x.xid), 0)) into oldest from (
    select a.backend_xmin as xid from pg_stat_activity a where a.pid <> pg_backend_pid() and a.backend_xmin is not null
    union all select a.backend_xid from pg_stat_activity a where a.pid <> pg_backend_pid() and a.backend_xid is not null
    union all select p.transaction from pg_prepared_xacts p
    union all select s.xmin from pg_replication_slots s where s.xmin is not null) x;
  oldest := coalesce(oldest, next);
end $$;

select guard_functions('{gauge}');

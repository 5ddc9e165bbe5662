create or replace function gauge_service(out inbox_lag_ms bigint, out workers_alive bigint, out changed_audit_ms bigint, out full_audit_ms bigint)
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

create or replace function gauge_service(
  out inbox_lag_ms bigint, out workers_alive bigint, out changed_audit_ms bigint, out full_audit_ms bigint)
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_now timestamptz := app_now();
begin
  inbox_lag_ms := coalesce(
    (select extract(epoch from clock_timestamp() - event.received_at) * 1000
     from events event
     where event.status = 'waiting'
     order by event.position
     limit 1),
    0)::bigint;
  workers_alive := (select count(*) from workers worker where worker.alive_until > v_now);
  changed_audit_ms := (
    select extract(epoch from v_now - audit.ended_at) * 1000 from audits audit where audit.name = 'changed')::bigint;
  full_audit_ms := (
    select extract(epoch from v_now - audit.ended_at) * 1000 from audits audit where audit.name = 'full')::bigint;
end $$;

-- oldest: the oldest transaction id that a session, a prepared transaction or a replication slot still needs.
-- next: the next transaction id to be given.
-- A login without pg_read_all_stats may see what other sessions need, and not since when. So callers date ids by what
-- was next when.
create or replace function gauge_oldest_xid(out oldest bigint, out next bigint) language plpgsql volatile as $$
begin
  next := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
  select next - max(greatest(age(needed.xid), 0)) into oldest
  from (
    select session.backend_xmin as xid
    from pg_stat_activity session
    where session.pid <> pg_backend_pid() and session.backend_xmin is not null
    union all
    select session.backend_xid
    from pg_stat_activity session
    where session.pid <> pg_backend_pid() and session.backend_xid is not null
    union all
    select prepared.transaction from pg_prepared_xacts prepared
    union all
    select slot.xmin from pg_replication_slots slot where slot.xmin is not null) needed;
  oldest := coalesce(oldest, next);
end $$;

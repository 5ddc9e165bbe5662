-- The oldest transaction id that somebody still needs, and the next one to be given. A login without pg_read_all_stats may see what
-- others' sessions need, and not since when; so callers date ids by what was next when.
create or replace function gauge_oldest_xid(out oldest bigint, out next bigint) language plpgsql volatile as $$
begin
  next := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
  select next - max(greatest(age(x.xid), 0)) into oldest from (
    select a.backend_xmin as xid from pg_stat_activity a where a.pid <> pg_backend_pid() and a.backend_xmin is not null
    union all select a.backend_xid from pg_stat_activity a where a.pid <> pg_backend_pid() and a.backend_xid is not null
    union all select p.transaction from pg_prepared_xacts p
    union all select s.xmin from pg_replication_slots s where s.xmin is not null) x;
  oldest := coalesce(oldest, next);
end $$;

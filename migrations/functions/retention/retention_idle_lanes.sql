-- Idle lanes, the least lately turned first, at most p_limit of them behind p_after: those that have been idle for a day are deleted,
-- unless a failed job still names them. Returns where the next look goes on; null at the end, or where lanes begin to be younger.
-- A lane that somebody is just using is skipped.
create or replace function retention_idle_lanes(p_after bigint, p_limit integer) returns bigint language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_old timestamptz := app_now() - interval '1 day';
  v_keys text[];
  v_last bigint;
  v_seen integer;
  v_young integer;
begin
  select array_agg(l.key order by l.key) filter (where l.changed_at < v_old), max(l.first_fence), count(*), count(*) filter (where l.changed_at >= v_old)
    into v_keys, v_last, v_seen, v_young
    from (select x.key, x.first_fence, x.changed_at from lanes x where x.ready_at is null and x.worker is null and x.first_fence >= p_after order by x.first_fence limit p_limit) l;
  v_keys := array(select l.key from unnest(v_keys) k(key)
    cross join lateral (select x.key from lanes x where x.key = k.key and x.ready_at is null and x.worker is null and x.changed_at < v_old
      for update skip locked) l);
  delete from lanes l where l.key = any(v_keys) and not exists (select 1 from jobs j where j.lane = l.key);
  return case when v_seen = p_limit and v_young < v_seen then v_last end;
end $$;

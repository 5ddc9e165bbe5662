-- Idle lanes, the least lately turned first, at most p_limit of them behind p_after. Those that have been idle for a
-- day are deleted, unless a failed job still names them. Returns where the next look goes on; null at the end, or where
-- lanes begin to be younger.
-- A lane that another transaction is just using is skipped.
--
-- Example. p_limit is 2, p_after 0. Lanes A (first fence 10), B (20) and C (30) are idle: A and B for 2 days, C for an
-- hour. The first look sees A and B: A is deleted, B stays because a failed job names it, and the answer is 20. The
-- next look, from 20, sees B and C: B stays, C is young, and the answer is 30. The look from 30 sees C alone: null.
create or replace function retention_idle_lanes(p_after bigint, p_limit integer) returns bigint
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_old timestamptz := app_now() - interval '1 day';
  v_keys text[];
  v_last bigint;
  v_seen integer;
  v_young integer;
begin
  select array_agg(idle.key order by idle.key) filter (where idle.changed_at < v_old), max(idle.first_fence),
      count(*), count(*) filter (where idle.changed_at >= v_old)
    into v_keys, v_last, v_seen, v_young
  from (
    select lane.key, lane.first_fence, lane.changed_at
    from lanes lane
    where lane.ready_at is null and lane.worker is null and lane.first_fence >= p_after
    order by lane.first_fence
    limit p_limit) idle;
  v_keys := array(
    select locked.key
    from unnest(v_keys) old(key)
    cross join lateral (
      select lane.key
      from lanes lane
      where lane.key = old.key and lane.ready_at is null and lane.worker is null and lane.changed_at < v_old
      for update skip locked) locked);
  delete from lanes lane
  where lane.key = any(v_keys) and not exists (select 1 from jobs job where job.lane = lane.key);
  return case when v_seen = p_limit and v_young < v_seen then v_last end;
end $$;

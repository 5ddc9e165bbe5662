-- In the order of p_lanes. p_gone: the last seq that has left each lane, where the caller knows better than the lane's row.
create or replace function queue_heads(p_lanes text[], p_gone bigint[]) returns lane_head[] language plpgsql volatile set enable_seqscan = off as $$
declare
  v_heads lane_head[];
begin
  select array_agg((k.lane, h.id, h.run_at, h.priority)::lane_head order by k.nth) into v_heads
  from unnest(p_lanes, p_gone) with ordinality k(lane, gone, nth)
  cross join lateral (select coalesce(k.gone, (select l.gone_through from lanes l where l.key = k.lane)) as through) g
  left join lateral (
    select j.id, j.run_at, j.priority from jobs j where j.lane = k.lane and j.state = 'queued' and j.seq > g.through order by j.seq limit 1) h on true;
  return v_heads;
end $$;

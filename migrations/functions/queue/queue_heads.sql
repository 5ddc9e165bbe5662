-- In the order of p_lanes.
-- p_gone: the last seq that has left each lane, where the caller knows better than the lane's row.
create or replace function queue_heads(p_lanes text[], p_gone bigint[]) returns lane_head[]
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_heads lane_head[];
begin
  select array_agg((wanted.lane, head.id, head.run_at, head.priority)::lane_head order by wanted.nth) into v_heads
  from unnest(p_lanes, p_gone) with ordinality wanted(lane, gone, nth)
  cross join lateral (
    select coalesce(wanted.gone, (select lane.gone_through from lanes lane where lane.key = wanted.lane)) as through
  ) gone
  left join lateral (
    select job.id, job.run_at, job.priority
    from jobs job
    where job.lane = wanted.lane and job.state = 'queued' and job.seq > gone.through
    order by job.seq limit 1) head on true;
  return v_heads;
end $$;

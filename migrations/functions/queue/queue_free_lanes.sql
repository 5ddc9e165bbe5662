-- Frees lanes, or goes on with their next jobs: p_heads names the head of each lane of p_ended, in the same order.
-- A holder may go on where no pause forbids it and where it holds a slot of its connection: a transfer's slot is given back, for the
-- connection's cap counts the next job again.
create or replace function queue_free_lanes(p_ended ended_job[], p_heads lane_head[], p_now timestamptz) returns freed_lane[] language plpgsql volatile
set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_freed freed_lane[];
  v_wide_pause boolean := exists (
    select 1 from pauses p where (p.scope = 'all' or p.scope > 'platform:' and p.scope < 'platform;') and p.until > p_now);
begin
  with next as materialized (
    select e.lane, e.fence, case when e.effect <> 'later' then e.seq end as gone, e.job_id, e.run_at, e.priority,
      e.continue_lane and e.effect <> 'later' and coalesce(e.run_at <= p_now, false) and not v_wide_pause and not l.transferring
        and not exists (select 1 from pauses p where p.scope = 'connection:' || l.connection_id and p.until > p_now) as continues
    -- Side by side: a join of two arrays looks at each pair.
    from rows from (unnest(p_ended), unnest(p_heads)) e(lane, fence, effect, continue_lane, seq, run_id, follow_ups, requeue_code, head_lane, job_id, run_at, priority)
    join lanes l on l.key = e.lane),
  freed as (
    update lanes l set changed_at = clock_timestamp(), transferring = false, gone_through = coalesce(n.gone, l.gone_through),
      worker = case when n.continues then l.worker end,
      running_job = case when n.continues then n.job_id end,
      fence = case when n.continues then nextval('fence_seq') else l.fence end,
      ready_at = case when n.job_id is not null and not n.continues then greatest(n.run_at, p_now) end,
      priority = case
        when n.job_id is null or n.continues then l.priority
        when n.priority = 0 then 0
        -- The highest of all that wait, as queue_lane_priority has it, without a call for each lane.
        else coalesce((select j.priority from jobs j where j.lane = l.key and j.state = 'queued' and j.priority < n.priority
          order by j.priority limit 1), n.priority) end
    from next n where l.key = n.lane
    returning l.key, n.fence, l.connection_id, coalesce(l.ready_at <= p_now, false), coalesce(l.ready_at <= p_now, false) and l.priority = 0,
      l.running_job, l.fence)
  select array_agg(f::freed_lane) into v_freed from freed f;
  return v_freed;
end $$;

-- Frees lanes, or goes on with their next jobs. p_heads names the head of each lane of p_ended, in the same order.
-- A holder may go on where no pause forbids it and where it holds a slot of its connection. The slot of a transfer does
-- not count: it is given back, for the connection's cap counts the next job again.
-- A suspect lane is not continued. It stays suspect while its job is to go on: the job may wait before it comes to what
-- workers die of.
--
-- Example. Lanes A, B and C ended with 'delete'; their outcomes ask to continue. A's head is due: A stays with its
-- worker, under a new fence. B's head is due in 5 minutes: B becomes ready for then. C has no head: C goes idle.
-- With a platform paused, A is not continued: it becomes ready now.
create or replace function queue_free_lanes(p_ended ended_job[], p_heads lane_head[], p_now timestamptz)
returns freed_lane[]
language plpgsql volatile set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_freed freed_lane[];
  v_wide_pause boolean := exists (
    select 1 from pauses pause
    where (pause.scope = 'all' or pause.scope > 'platform:' and pause.scope < 'platform;') and pause.until > p_now);
  v_regions text[] := array(
    select pause.scope from pauses pause
    where pause.scope > 'region:' and pause.scope < 'region;' and pause.until > p_now);
begin
  with next as materialized (
    select ended.lane, ended.fence, case when ended.effect <> 'later' then ended.seq end as gone, ended.job_id,
      ended.run_at, ended.priority,
      ended.continue_lane and ended.effect <> 'later' and coalesce(ended.run_at <= p_now, false)
        and not v_wide_pause
        and not lane.transferring
        and not lane.suspect
        and not exists (
          select 1 from pauses pause
          where pause.scope = 'connection:' || lane.connection_id and pause.until > p_now)
        and (v_regions = '{}' or not exists (
          select 1 from firm_integrations integration
          where integration.id = lane.connection_id
            and 'region:' || integration.platform || ':' || integration.region = any(v_regions)))
        as continues
    -- Side by side: a join of two arrays looks at each pair.
    from rows from (unnest(p_ended), unnest(p_heads))
      ended(lane, fence, effect, continue_lane, seq, run_id, follow_ups, requeue_code,
        head_lane, job_id, run_at, priority)
    join lanes lane on lane.key = ended.lane),
  freed as (
    update lanes lane set
      changed_at = clock_timestamp(),
      transferring = false,
      suspect = lane.suspect and next.gone is null,
      gone_through = coalesce(next.gone, lane.gone_through),
      worker = case when next.continues then lane.worker end,
      running_job = case when next.continues then next.job_id end,
      fence = case when next.continues then nextval('fence_seq') else lane.fence end,
      ready_at = case when next.job_id is not null and not next.continues then greatest(next.run_at, p_now) end,
      priority = case
        when next.job_id is null or next.continues then lane.priority
        when next.priority = 0 then 0
        -- The highest of all that wait, as queue_lane_priority has it, without a call for each lane.
        else coalesce(
          (select job.priority from jobs job
           where job.lane = lane.key and job.state = 'queued' and job.priority < next.priority
           order by job.priority limit 1),
          next.priority) end
    from next
    where lane.key = next.lane
    returning lane.key as lane, next.fence, lane.connection_id,
      coalesce(lane.ready_at <= p_now, false) as ready,
      coalesce(lane.ready_at <= p_now, false) and lane.priority = 0 as person,
      lane.running_job, lane.fence as running_fence)
  select array_agg(freed::freed_lane) into v_freed from freed;
  return v_freed;
end $$;

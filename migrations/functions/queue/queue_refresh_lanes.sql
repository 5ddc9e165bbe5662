-- Brings lanes that no worker holds, and whose locks the caller has, in line with their jobs: ready at their head's
-- time, or idle. A lane that is due keeps its place. One that becomes due is so from now, however long its head has
-- waited: visits look no further back.
-- It is suspect while two workers have died with its head.
-- A step that changes a lane's jobs, other than enqueue and finish, calls it last. Returns the connections with a lane
-- that is due.
--
-- Example. It is 10:00. Lane A's last job was cancelled: A goes idle. Lane B is idle and got a job back whose run_at is
-- 9:00: B is ready from 10:00. Lane C has its head of before and stays ready since 9:58. Lane D's head is due at 10:05:
-- D is ready from 10:05. Returned are the connections of B and C.
create or replace function queue_refresh_lanes(p_lanes text[]) returns uuid[]
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_due uuid[];
  v_lane text;
begin
  foreach v_lane in array coalesce(p_lanes, '{}') loop
    update lanes lane set
      changed_at = clock_timestamp(),
      ready_at = (
        select greatest(job.run_at, least(lane.ready_at, app_now()))
        from jobs job
        where job.lane = v_lane and job.state = 'queued' and job.seq > lane.gone_through
        order by job.seq
        limit 1),
      priority = coalesce(
        (select queue_lane_priority(v_lane, job.priority)
         from jobs job
         where job.lane = v_lane and job.state = 'queued' and job.seq > lane.gone_through
         order by job.seq
         limit 1),
        lane.priority),
      suspect = coalesce(
        (select job.lost_attempts >= 2
         from jobs job
         where job.lane = v_lane and job.state = 'queued' and job.seq > lane.gone_through
         order by job.seq
         limit 1),
        false)
    where lane.key = v_lane and lane.worker is null;
    select v_due || array(
        select lane.connection_id
        from lanes lane
        where lane.key = v_lane and lane.worker is null and lane.ready_at <= app_now())
      into v_due;
  end loop;
  return array(select distinct due.id from unnest(v_due) due(id));
end $$;

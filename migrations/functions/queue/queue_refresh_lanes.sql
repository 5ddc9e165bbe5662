-- Brings lanes that nobody holds, and whose locks the caller has, in line with their jobs: ready at their head's time, or idle. A lane that
-- is due keeps its place; one that becomes due is so from now, however long its head has waited: visits look no further back.
-- A step that changes a lane's jobs, other than enqueue and finish, calls it last. Returns the connections with a lane that is due.
create or replace function queue_refresh_lanes(p_lanes text[]) returns uuid[] language plpgsql volatile set enable_seqscan = off as $$
declare
  v_due uuid[];
  v_lane text;
begin
  foreach v_lane in array coalesce(p_lanes, '{}') loop
    update lanes l set changed_at = clock_timestamp(),
      ready_at = (select greatest(j.run_at, least(l.ready_at, app_now())) from jobs j
        where j.lane = v_lane and j.state = 'queued' and j.seq > l.gone_through order by j.seq limit 1),
      priority = coalesce((select queue_lane_priority(v_lane, j.priority) from jobs j
        where j.lane = v_lane and j.state = 'queued' and j.seq > l.gone_through order by j.seq limit 1), l.priority)
    where l.key = v_lane and l.worker is null;
    select v_due || array(select l.connection_id from lanes l where l.key = v_lane and l.worker is null and l.ready_at <= app_now()) into v_due;
  end loop;
  return array(select distinct c from unnest(v_due) c);
end $$;

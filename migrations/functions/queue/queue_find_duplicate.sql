-- The waiting duplicate of a job in a lane whose lock the caller holds; null when there is none. A running job is a
-- duplicate of none. At most one waits, beside one that runs and one that was cancelled. So nothing is ordered here:
-- for an order by seq the planner would walk the lane from its head, at any depth.
create or replace function queue_find_duplicate(p_lane text, p_dedupe_key text) returns uuid
language plpgsql volatile as $$
begin
  return (
    select job.id
    from jobs job
    where job.lane = p_lane and job.dedupe_key = p_dedupe_key and job.state = 'queued' and job.cancelled_at is null
      and job.id is distinct from (select lane.running_job from lanes lane where lane.key = p_lane)
    limit 1);
end $$;

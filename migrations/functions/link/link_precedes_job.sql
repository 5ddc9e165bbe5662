-- True when a record stood before the job that a lane runs was asked for: since then a person may have deleted it.
create or replace function link_precedes_job(p_linked_at timestamptz, p_lane text, p_fence bigint) returns boolean
language plpgsql volatile as $$
begin
  return coalesce(
    (select p_linked_at < job.created_at
     from lanes lane
     cross join lateral (select job.created_at from jobs job where job.id = lane.running_job limit 1) job
     where lane.key = p_lane and lane.fence = p_fence
     limit 1),
    false);
end $$;

-- True while the lane and fence that hold a link are at work: a living worker runs that lane under that very fence.
create or replace function link_holder_is_live(p_lane text, p_fence bigint) returns boolean
language plpgsql volatile as $$
begin
  return exists (
    select 1
    from lanes lane
    join workers worker on worker.id = lane.worker
    where lane.key = p_lane and lane.fence = p_fence and worker.alive_until > app_now());
end $$;

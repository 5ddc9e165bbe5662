-- True while a lane runs under this very fence: its worker may write the links that the lane holds. A lane that was
-- taken over, given back or continued runs under another fence or under none.
create or replace function link_lane_runs(p_lane text, p_fence bigint) returns boolean language plpgsql volatile as $$
begin
  return exists (select 1 from lanes lane where lane.key = p_lane and lane.fence = p_fence and lane.worker is not null);
end $$;

-- True when a lane's connection is the one that tries for its platform while the platform's breaker is open. That such
-- a call got no answer is no fault of its job, and counts no attempt.
create or replace function queue_tries_for_platform(p_lane text) returns boolean
language plpgsql volatile as $$
begin
  return exists (
    select 1
    from lanes lane
    join pauses pause on pause.reason = 'breaker' and pause.trying = lane.connection_id
    where lane.key = p_lane);
end $$;

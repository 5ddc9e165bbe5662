-- Marks that a held lane's job begins to send a file to a signed address. From now to its end the job counts apart
-- under the connection's cap, and the connection's next job may run beside it.
-- False when another transfer of the connection is running: this job then counts as before.
create or replace function queue_begin_transfer(p_worker uuid, p_lane text, p_fence bigint) returns boolean
language plpgsql volatile set role = casehug_worker as $$
declare
  v_connection uuid;
begin
  select lane.connection_id into v_connection
  from lanes lane
  where lane.key = p_lane and lane.fence = p_fence and lane.worker is not distinct from p_worker;
  perform pg_advisory_xact_lock(hashtextextended(v_connection::text, 7));
  update lanes lane set transferring = true
  where lane.key = p_lane and lane.fence = p_fence and lane.worker is not distinct from p_worker
    and not exists (
      select 1 from lanes other
      where other.connection_id = v_connection and other.worker is not null and other.transferring);
  return found;
end $$;

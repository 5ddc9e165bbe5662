-- Marks that a held lane's job begins to send a file to a signed address: from now to its end it counts apart under the connection's cap,
-- and the connection's next job may run beside it. False when another transfer of the connection is running: this one then counts as before.
create or replace function queue_begin_transfer(p_worker uuid, p_lane text, p_fence bigint) returns boolean language plpgsql volatile set role = casehug_worker as $$
declare
  v_connection uuid;
begin
  select l.connection_id into v_connection from lanes l where l.key = p_lane and l.fence = p_fence and l.worker is not distinct from p_worker;
  perform pg_advisory_xact_lock(hashtextextended(v_connection::text, 7));
  update lanes l set transferring = true
  where l.key = p_lane and l.fence = p_fence and l.worker is not distinct from p_worker and not exists (
    select 1 from lanes o where o.connection_id = v_connection and o.worker is not null and o.transferring);
  return found;
end $$;

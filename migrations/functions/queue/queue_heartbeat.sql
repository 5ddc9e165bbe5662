-- False when the row is gone.
create or replace function queue_heartbeat(p_worker uuid) returns boolean language plpgsql volatile as $$
begin
  update workers w set alive_until = app_now() + w.lease_ms * interval '1 ms' where w.id = p_worker;
  return found;
end $$;

-- False when the row is gone.
create or replace function queue_heartbeat(p_worker uuid) returns boolean language plpgsql volatile as $$
begin
  update workers worker set alive_until = app_now() + worker.lease_ms * interval '1 ms' where worker.id = p_worker;
  return found;
end $$;

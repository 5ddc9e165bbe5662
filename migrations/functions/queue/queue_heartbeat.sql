-- Renews the lease of all that a worker holds. False when its row is gone.
-- A beat comes each third of a lease. One that comes half a lease late begins a new time of renewal: the outage that
-- delayed it may have ended the leases of others.
--
-- Example. At a lease of 15 s beats come at 0, 5 and 10 s, then the database is away until 19 s. The beat at 19 s sets
-- renewed_since to 19 s, so this worker takes no lanes from others before 34 s.
create or replace function queue_heartbeat(p_worker uuid) returns boolean language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
begin
  update workers worker set
    alive_until = v_now + worker.lease_ms * interval '1 ms',
    renewed_since = case
      when worker.alive_until < v_now + worker.lease_ms / 2 * interval '1 ms' then v_now
      else worker.renewed_since
    end
  where worker.id = p_worker;
  return found;
end $$;

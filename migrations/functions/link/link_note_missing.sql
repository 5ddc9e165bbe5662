-- A read of a linked record found it (p_missing false) or did not. One answer "not there" proves nothing: a record
-- counts as gone when it was missing before, p_between_ms ago or earlier.
-- wait_ms: how long to wait for that second answer; 0 when this is it.
-- held: false when the caller's fence no longer runs.
create or replace function link_note_missing(
  p_link uuid, p_lane text, p_fence bigint, p_missing boolean, p_between_ms integer,
  out held boolean, out wait_ms integer)
language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
begin
  -- What was missing an hour ago and has not been asked for since begins anew.
  update links link set
    missing_since = case
      when not p_missing then null
      when link.missing_since > v_now - interval '1 hour' then link.missing_since
      else v_now end
  where link.id = p_link and link_lane_runs(p_lane, p_fence)
  returning
    greatest(0, ceil(extract(
      epoch from link.missing_since + p_between_ms * interval '1 ms' - v_now) * 1000))::integer
    into wait_ms;
  held := found;
end $$;

-- A read of a linked record, p_ago_ms ago, found it (p_missing false) or did not. One answer "not there" proves
-- nothing: a record counts as gone when an earlier read missed it, p_between_ms before this one or earlier.
-- wait_ms: how long to wait for that second answer; 0 when this is it, and never 0 for a record that was accepted and
-- that no read has found yet: it is not there yet, and not gone.
-- held: false when the caller's fence no longer runs.
create or replace function link_note_missing(
  p_link uuid, p_lane text, p_fence bigint, p_missing boolean, p_ago_ms bigint, p_between_ms integer,
  out held boolean, out wait_ms integer)
language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
  v_read timestamptz := v_now - p_ago_ms * interval '1 ms';
begin
  -- What was missing an hour ago and has not been asked for since begins anew.
  update links link set
    missing_since = case
      when not p_missing then null
      when link.missing_since > v_read - interval '1 hour' then link.missing_since
      else v_read end
  where link.id = p_link and num_nulls(link.superseded_at) = 1 and link_lane_runs(p_lane, p_fence)
  returning
    case
      when link.next_look_at is not null then
        greatest(500, ceil(extract(epoch from link.next_look_at - v_now) * 1000))::integer
      when link.missing_since + p_between_ms * interval '1 ms' <= v_read then 0
      else greatest(1, ceil(extract(
        epoch from link.missing_since + p_between_ms * interval '1 ms' - v_now) * 1000))::integer end
    into wait_ms;
  held := found or link_lane_runs(p_lane, p_fence);
end $$;

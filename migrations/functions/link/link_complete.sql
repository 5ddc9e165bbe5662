-- Writes the end of a creation, or the record that a look found.
-- p_visible: false when the provider has accepted the record and does not show it yet.
-- False when the caller's fence no longer runs, or no longer holds the link.
create or replace function link_complete(
  p_link uuid, p_lane text, p_fence bigint, p_state text, p_external_id text, p_version text, p_visible boolean)
returns boolean language plpgsql volatile set role = casehug_worker as $$
begin
  update links link set
    state = p_state,
    external_id = p_external_id,
    version = coalesce(p_version, link.version),
    linked_at = case when p_state = 'linked' then app_now() end,
    looks = 0,
    missing_since = null,
    next_look_at = case when not p_visible then app_now() + link_look_interval(0) end
  where link.id = p_link and link.holder_lane = p_lane and link.holder_fence = p_fence
    and num_nulls(link.superseded_at) = 1 and link_lane_runs(p_lane, p_fence);
  return found;
end $$;

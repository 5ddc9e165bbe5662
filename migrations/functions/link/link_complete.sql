-- Writes the end of a creation, or the record that a look found. False when the caller's fence no longer runs, or no longer holds the link.
create or replace function link_complete(p_link uuid, p_lane text, p_fence bigint, p_state text, p_external_id text, p_version text)
returns boolean language plpgsql volatile set role = casehug_worker as $$
begin
  update links k set state = p_state, external_id = p_external_id, version = coalesce(p_version, k.version),
    linked_at = case when p_state = 'linked' then app_now() end
  where k.id = p_link and k.holder_lane = p_lane and k.holder_fence = p_fence and num_nulls(k.superseded_at) = 1
    and link_lane_runs(p_lane, p_fence);
  return found;
end $$;

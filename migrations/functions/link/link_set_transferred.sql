-- p_transferred true: a document's bytes, whose hash is p_sha256, have been transferred, and need not be sent again.
-- p_transferred false: they are not there and must be sent.
-- p_visible: false when the provider shows the document some time after its bytes, and has to be asked.
create or replace function link_set_transferred(
  p_link uuid, p_lane text, p_fence bigint, p_transferred boolean, p_sha256 text, p_visible boolean)
returns boolean language plpgsql volatile set role = casehug_worker as $$
begin
  update links link set
    transferred_at = case when p_transferred then app_now() end,
    sha256 = p_sha256,
    looks = 0,
    next_look_at = case when not p_visible then app_now() + link_look_interval(0) end
  where link.id = p_link and link.holder_lane = p_lane and link.holder_fence = p_fence
    and link_lane_runs(p_lane, p_fence);
  return found;
end $$;

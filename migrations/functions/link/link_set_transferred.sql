-- A document's bytes have been transferred: a later execution need not send them again.
create or replace function link_set_transferred(p_link uuid, p_lane text, p_fence bigint) returns boolean language plpgsql volatile
set role = casehug_worker as $$
begin
  update links k set transferred_at = app_now()
  where k.id = p_link and k.holder_lane = p_lane and k.holder_fence = p_fence and link_lane_runs(p_lane, p_fence);
  return found;
end $$;

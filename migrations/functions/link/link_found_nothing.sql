-- A search found nothing, or the provider answered that it refused: nothing of ours is there. The key stays claimed by the caller.
create or replace function link_found_nothing(p_link uuid, p_lane text, p_fence bigint) returns boolean language plpgsql volatile as $$
begin
  update links k set state = 'claimed', send_until = null, looked_at = app_now()
  where k.id = p_link and k.holder_lane = p_lane and k.holder_fence = p_fence and k.state in ('claimed', 'creating') and num_nulls(k.superseded_at) = 1;
  return found;
end $$;

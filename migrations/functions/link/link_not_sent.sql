-- A create was refused, or was never sent: the record is not there. When a search found nothing stays as it was: a
-- refusal is no search. False when the caller's fence no longer runs, or no longer holds the link.
create or replace function link_not_sent(p_link uuid, p_lane text, p_fence bigint) returns boolean
language plpgsql volatile as $$
begin
  update links link set state = 'claimed', send_until = null
  where link.id = p_link and link.holder_lane = p_lane and link.holder_fence = p_fence
    and link.state in ('claimed', 'creating') and num_nulls(link.superseded_at) = 1 and link_lane_runs(p_lane, p_fence);
  return found;
end $$;

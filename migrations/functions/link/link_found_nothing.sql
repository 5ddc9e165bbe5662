-- A search found nothing p_ago_ms ago. The key stays claimed by the caller.
-- p_ago_ms null: a look found nothing of what was sent, which is no search: a search may still find an older record.
-- The age is an argument: a worker that was frozen behind its search must not make an old search look new.
create or replace function link_found_nothing(p_link uuid, p_lane text, p_fence bigint, p_ago_ms bigint) returns boolean
language plpgsql volatile as $$
begin
  update links link set state = 'claimed', send_until = null, looked_at = app_now() - p_ago_ms * interval '1 ms'
  where link.id = p_link and link.holder_lane = p_lane and link.holder_fence = p_fence
    and link.state in ('claimed', 'creating') and num_nulls(link.superseded_at) = 1 and link_lane_runs(p_lane, p_fence);
  return found;
end $$;

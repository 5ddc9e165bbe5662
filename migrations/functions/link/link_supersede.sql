-- Retires a link, with its children; all are kept as history.
-- p_reason: 'gone' (the provider does not have the record any more) or 'rejected' (it accepted the record first and
-- refused it then). A record that was accepted and that no search has found yet is never gone.
-- False when the caller's fence no longer runs. A worker that was frozen between its read and this would retire what
-- stands again, and the next job would create it a second time. So the statement that writes asks for the fence: its
-- lane may be taken over while it waits for a row.
create or replace function link_supersede(p_link uuid, p_lane text, p_fence bigint, p_reason text) returns boolean
language plpgsql volatile as $$
begin
  if exists (
    select 1 from links link where link.id = p_link and p_reason = 'gone' and link.next_look_at is not null) then
    return link_lane_runs(p_lane, p_fence);
  end if;
  update links link set superseded_at = app_now(), superseded_reason = p_reason
  where (link.id = p_link or link.parent_id = p_link) and num_nulls(link.superseded_at) = 1
    and link_lane_runs(p_lane, p_fence);
  return found or link_lane_runs(p_lane, p_fence);
end $$;

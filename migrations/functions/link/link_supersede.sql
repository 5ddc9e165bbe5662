-- Retires a link whose record is gone at the provider, with its children; all are kept as history. False when the caller's fence no longer
-- runs: a worker that was frozen between its read and this would retire what stands again, and the next job would create it a second time.
create or replace function link_supersede(p_link uuid, p_lane text, p_fence bigint) returns boolean language plpgsql volatile as $$
begin
  if not link_lane_runs(p_lane, p_fence) then
    return false;
  end if;
  update links k set superseded_at = app_now() where (k.id = p_link or k.parent_id = p_link) and num_nulls(k.superseded_at) = 1;
  return true;
end $$;

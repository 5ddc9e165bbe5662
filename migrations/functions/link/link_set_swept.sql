-- A doubted link was looked at once more: p_swept is how often before. Compared and not counted up, so that a frozen
-- sweep and its successor count one look and not two. p_doubted_at: which doubt it was; a newer one keeps its looks.
-- False when the caller's fence no longer runs.
create or replace function link_set_swept(
  p_link uuid, p_swept smallint, p_doubted_at timestamptz, p_lane text, p_fence bigint) returns boolean
language plpgsql volatile as $$
begin
  if not link_lane_runs(p_lane, p_fence) then
    return false;
  end if;
  update links link set swept = p_swept + 1
  where link.id = p_link and link.swept = p_swept and link.doubted_at is not distinct from p_doubted_at;
  return true;
end $$;

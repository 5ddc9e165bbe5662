-- The waiting duplicate of a job in a lane whose lock the caller holds; null when there is none. A running job is nobody's duplicate.
create or replace function queue_find_duplicate(p_lane text, p_dedupe_key text) returns uuid language plpgsql volatile as $$
begin
  return (
    select j.id from jobs j
    where j.lane = p_lane and j.dedupe_key = p_dedupe_key and j.state = 'queued' and j.cancelled_at is null
      and j.id is distinct from (select l.running_job from lanes l where l.key = p_lane)
    order by j.seq limit 1);
end $$;

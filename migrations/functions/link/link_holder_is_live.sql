-- True while the lane and fence that hold a link are at work: a worker that is alive runs that lane under that very fence.
create or replace function link_holder_is_live(p_lane text, p_fence bigint) returns boolean language plpgsql volatile as $$
begin
  return exists (
    select 1 from lanes l join workers w on w.id = l.worker
    where l.key = p_lane and l.fence = p_fence and w.alive_until > app_now());
end $$;

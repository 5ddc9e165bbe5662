-- True when a record stood before the job that a lane runs was asked for: since then a person may have deleted it.
create or replace function link_precedes_job(p_linked_at timestamptz, p_lane text, p_fence bigint) returns boolean language plpgsql volatile as $$
begin
  return coalesce(
    (select p_linked_at < j.created_at
     from lanes l cross join lateral (select x.created_at from jobs x where x.id = l.running_job limit 1) j
     where l.key = p_lane and l.fence = p_fence limit 1),
    false);
end $$;

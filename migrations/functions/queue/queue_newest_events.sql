-- The events that a job names: the newest 20, in the order in which they came. The log row of every event that joined
-- names the job, so nothing is lost with the others; and a join costs the same however many have joined before.
--
-- Example. ('{e1,e2}', '{e2,e3}') are '{e1,e2,e3}'. With 20 in the first and one more in the second, the first one
-- goes.
create or replace function queue_newest_events(p_named text[], p_more text[]) returns text[]
language sql immutable as $$
  select case
    when p_more <@ p_named then p_named
    else all_events.ids[greatest(cardinality(all_events.ids) - 19, 1):] end
  from (
    select p_named || array(
      select more.id
      from unnest(p_more[greatest(cardinality(p_more) - 19, 1):]) with ordinality more(id, place)
      where more.id <> all (p_named)
      order by more.place) as ids) all_events;
$$;

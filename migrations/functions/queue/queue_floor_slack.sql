-- ready_at is set before the commit, so a lane can appear up to 5 s in the past. A scan therefore starts 5 s before the
-- last one that found nothing. The full scan finds what a slower transaction makes ready; it also tells the time of
-- each connection's first lane. While an old transaction is open, each visit reads the dead rows of these 5 s again.
create or replace function queue_floor_slack() returns interval language sql immutable as $$ select interval '5 s' $$;

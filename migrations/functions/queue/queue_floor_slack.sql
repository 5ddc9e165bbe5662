-- A lane made ready by a transaction that has not committed yet carries a time that lies back by as much as that transaction lasts. One that
-- lasts longer than this is found by the look at all ready connections, which tells the time of each one's first lane. Each visit reads the
-- dead rows of so long again while an old transaction is open.
create or replace function queue_floor_slack() returns interval language sql immutable as $$ select interval '5 s' $$;

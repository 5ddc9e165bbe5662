-- events: an event may be faster than the commit of the record that it names, or than its approval. Such an event is
-- looked at again at look_at, with growing pauses, before it is rejected; looks counts how often it was. Of a waiting
-- event reason says what it waits for.
alter table events
  add column look_at timestamptz,
  add column looks integer not null default 0;
drop index events_waiting;
create unique index events_waiting on events (position) where status = 'waiting' and look_at is null;
create index events_early on events (look_at) where status = 'waiting' and look_at is not null;

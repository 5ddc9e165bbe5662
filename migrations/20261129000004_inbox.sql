-- events: the inbox. One row is something that happened; nothing but the new row is locked when it is appended.
-- Written by ingress (and by CaseHug inside its own transactions); status is written by the relay; goes after 30 days.
-- requested_by_person: made by ingress for a person (sync.requested); an event of that type that was posted is without effect.
-- An event may name a firm that does not exist: it then ends as rejected, so there is no foreign key.
create table events (
  firm_id uuid not null,
  id text collate "C" not null check (length(id) between 1 and 128),
  position bigint generated always as identity,
  type text not null check (length(type) between 1 and 64),
  data jsonb not null,
  requested_by_person boolean not null default false,
  created_at timestamptz,
  received_at timestamptz not null default clock_timestamp(),
  status text not null default 'waiting' check (status in ('waiting', 'done', 'rejected')),
  reason text,
  runs uuid[] not null default '{}',
  primary key (firm_id, id)
) with (fillfactor = 80);
create unique index events_waiting on events (position) where status = 'waiting';
select guard_by_firm('events');
grant select on sequence events_position_seq to casehug_worker;

-- webhook_events: a provider's webhook as it came, its payload sealed. Written by ingress; processed by workers; goes after its retention time.
-- A webhook that matches no firm is kept too, without firm_id, and is then seen by casehug_worker alone.
create table webhook_events (
  id uuid primary key,
  platform text collate "C" not null references platforms,
  firm_id uuid references firms (id),
  event_type text,
  resource_type text,
  resource_id text,
  payload jsonb not null,
  processed boolean not null default false,
  error_message text,
  received_at timestamptz not null
);
select guard_by_firm('webhook_events');

-- The published table, as a view of exactly its columns, under the reader's own policies.
create view clio_webhook_events with (security_invoker = true) as
  select id, firm_id, event_type, resource_type,
         case when resource_id ~ '^[0-9]{1,18}$' then resource_id::bigint end as resource_id,
         payload, processed, error_message
  from webhook_events where platform = 'clio';
grant select on clio_webhook_events to casehug_firm, casehug_worker;

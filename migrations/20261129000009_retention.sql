-- Retention: what is old goes in small batches. Each table is walked in the order of its pages, part after part, a part a transaction,
-- and what is too old in a part is deleted. So no hot table needs an index by time for it, no plan depends on how much there is, and
-- the locks are those of the deleted rows alone. A row goes within some hours of its time.

-- retentions: where the walk through each table stands. One row a table, made here, for ever; written by the worker that walks it.
create table retentions (
  name text collate "C" primary key check (name in ('logs', 'activity', 'events', 'webhook_events', 'failed_jobs')),
  next_page bigint not null default 0,
  began_at timestamptz
);
insert into retentions (name) values ('logs'), ('activity'), ('events'), ('webhook_events'), ('failed_jobs');
grant select, update on retentions to casehug_worker;

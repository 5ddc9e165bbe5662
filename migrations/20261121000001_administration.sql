-- Administration: what a person may read of the queue, and change in it, needs a few columns, tables and indexes.

-- activity: an administrative act names who did it and what it was done to; an act for all firms belongs to none of them.
alter table activity alter column firm_id drop not null;
alter table activity add column author text, add column subject_id uuid;
create index activity_acts on activity (subject_id, created_at) where author is not null;
grant insert, update on activity to casehug_firm;

-- A firm's own caller may be told that its platform, or everything, is paused.
create policy of_everybody on pauses for select to casehug_firm using (firm_id is null);
grant insert, update on pauses to casehug_firm;

-- What a firm's admin changes in his own lanes, under the row level security of his firm.
grant update, delete on jobs to casehug_firm;
grant update on lanes, integration_sync_logs to casehug_firm;

-- The job list reads newest first. Without a firm it walks the keys of ids (version 7: they grow with time), with a firm this index;
-- it tells both states apart, so that a job costs one entry here whether it waits or has failed. Neither state nor id stands here as itself:
-- jobs come and go, so the planner mostly believes that there are a few, and would look one up by its id or a lane's by their state in here
-- as soon as anywhere, past the entries of all that are dead. nullif with an id that is never drawn is the id in the lists' own words.
create index jobs_of_firm on jobs (firm_id, (state = 'failed'), (nullif(id, '00000000-0000-0000-0000-000000000000')));
create index jobs_failed_newest on jobs ((nullif(id, '00000000-0000-0000-0000-000000000000'))) where state = 'failed';
create index jobs_failed_code on jobs (code, (nullif(id, '00000000-0000-0000-0000-000000000000'))) where state = 'failed';
-- Jobs that somebody cancelled while they ran, and that came back instead.
create index jobs_cancelled on jobs (id) where state = 'queued' and cancelled_at is not null;

-- batches: a retry of all failed jobs that matched a filter when it was asked for. Written by whoever asks or cancels, and by the worker
-- that works it off; finished ones go after 90 days. counted = waiting + running + succeeded + failed + skipped at any time; a job that
-- joined a waiting twin, or had been dealt with otherwise, is skipped. A cancelled batch is finished when what it had begun has ended.
create table batches (
  id uuid primary key,
  firm_id uuid references firms (id),
  filter jsonb not null,
  author text not null,
  state text not null default 'running' check (state in ('running', 'cancelled', 'done')),
  counted integer not null default 0,
  succeeded integer not null default 0,
  failed integer not null default 0,
  skipped integer not null default 0,
  created_at timestamptz not null,
  cancelled_by text,
  finished_at timestamptz
);
create index batches_open on batches (id) where finished_at is null;
create index batches_finished on batches (finished_at) where finished_at is not null;
select guard_by_firm('batches');
grant insert, update on batches to casehug_firm;

-- batch_jobs: a job that a batch still has to retry (retried_at null) or has retried and waits for. position: the original order; within
-- a lane it follows seq. No foreign keys: a million rows are written in one statement. Written when the batch is asked for; goes when its job has ended, or its batch was cancelled before its turn.
create table batch_jobs (
  batch_id uuid not null,
  position integer not null,
  firm_id uuid not null,
  connection_id uuid not null,
  job_id uuid not null,
  retried_at timestamptz,
  primary key (batch_id, position)
);
create index batch_jobs_waiting on batch_jobs (connection_id, batch_id, position) where retried_at is null;
create index batch_jobs_retried on batch_jobs (connection_id, batch_id, position) where retried_at is not null;
select guard_by_firm('batch_jobs');
grant insert on batch_jobs to casehug_firm;

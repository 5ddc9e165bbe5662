-- Batches: what people asked to be retried in bulk.

-- batches: a retry of all failed jobs that matched a filter when it was asked for. Written by the person who asks or cancels, and by the worker
-- that works it off; finished ones go after 90 days. counted = waiting + running + succeeded + failed + skipped at any time; a job that
-- joined a waiting duplicate, or had been dealt with otherwise, is skipped. A cancelled batch is finished when what it had begun has ended.
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

-- workers: a process that runs jobs; its row is the lease of everything it holds.
-- Written by the worker's renewer; deleted by the worker at its end or by another at takeover.
-- alive_until is not indexed, so that a beat is a HOT update.
create table workers (
  id uuid primary key,
  name text not null,
  started_at timestamptz not null,
  alive_until timestamptz not null,
  lease_ms integer not null check (lease_ms > 0)
) with (fillfactor = 50);
grant select, insert, update, delete on workers to casehug_worker;

create sequence fence_seq;
grant usage, select on sequence fence_seq to casehug_worker;

-- lanes: the queue of one key; its jobs run one at a time, in order of seq.
-- Written by enqueue, lease, finish and takeover, each under the row's lock; deleted when idle for a day.
-- A lane is idle (ready_at and worker null), ready (ready_at set) or held (worker, fence and running_job set), never two of them.
-- Every seq up to gone_through has left the lane: reading its head starts there and so steps over no dead rows.
-- priority: the highest of its waiting jobs, true while the lane is ready. first_fence: the fence under
-- which its holder took it. A holder that continues with the lane's next job gets a new fence and keeps this one, so that continuing touches
-- no index (a HOT update).
-- transferring: its job is sending a file to a signed address and counts apart under the connection's cap.
create table lanes (
  key text collate "C" primary key,
  firm_id uuid not null,
  connection_id uuid not null,
  priority smallint not null default 1 check (priority between 0 and 2),
  ready_at timestamptz,
  worker uuid,
  fence bigint not null default 0,
  first_fence bigint not null default 0,
  transferring boolean not null default false,
  running_job uuid,
  tail bigint not null default 0,
  gone_through bigint not null default 0,
  changed_at timestamptz not null default clock_timestamp(),
  check (ready_at is null or worker is null),
  check ((worker is null) = (running_job is null))
) with (fillfactor = 60);
create index lanes_ready on lanes (connection_id, priority, ready_at) where ready_at is not null;

-- Who looks for one lane compares its worker with 'is not distinct from': from '=' the planner concludes that lanes_held would do, which
-- looks the cheapest of all when it was last analysed, and holds every dead row while an old transaction is open. For the same reason no
-- job is looked up by its id and the state 'queued'.
create index lanes_held on lanes (connection_id, first_fence) where worker is not null;

-- Idle lanes by the fence under which they were last taken, the oldest first: a look for what went idle lately, or long ago, reads those alone.
-- Its columns are indexed already, so that going on with a lane still touches no index; an entry is written when a lane goes idle.
create index lanes_idle on lanes (first_fence) where ready_at is null and worker is null;
select guard_by_firm('lanes');
-- What a firm's admin changes in his own lanes, under the row level security of his firm.
grant update on lanes to casehug_firm;

-- jobs: one unit of work. Inserted by enqueue; deleted by finish when done or skipped; a failed one stays until its retention ends.
-- 'running' is not a state here: it is the running_job of its lane.
create table jobs (
  id uuid primary key,
  firm_id uuid not null,
  connection_id uuid not null,
  lane text collate "C" not null,
  seq bigint not null,
  kind text not null check (kind in ('sync_matter', 'sync_document', 'pull_matters', 'process_webhook', 'probe', 'sweep_links', 'refresh_token')),
  state text not null default 'queued' check (state in ('queued', 'failed')),
  priority smallint not null default 1 check (priority between 0 and 2),
  matter_id uuid,
  upload_id uuid,
  explicit boolean not null default false,
  run_id uuid not null,
  dedupe_key text collate "C",
  event_ids text[] not null default '{}',
  run_at timestamptz not null,
  waiting_for text check (waiting_for in ('retry', 'limited', 'paused', 'provider', 'contact', 'doubt', 'shutdown', 'needs_reconnect', 'newer_worker')),
  attempts integer not null default 0,
  executions integer not null default 0,
  limited integer not null default 0,
  lost_attempts integer not null default 0,
  cancelled_at timestamptz,
  started_at timestamptz,
  created_at timestamptz not null,
  code text collate "C",
  error_message text,
  failed_at timestamptz,
  foreign key (firm_id, connection_id) references firm_integrations (firm_id, id)
) with (fillfactor = 80);
create unique index jobs_lane on jobs (lane, seq) where state = 'queued';
create index jobs_duplicate on jobs (lane, dedupe_key) where state = 'queued' and dedupe_key is not null;

-- A lane of a million background jobs finds the one that a person waits for.
create index jobs_ahead on jobs (lane, priority) where state = 'queued' and priority < 2;
create index jobs_failed_lane on jobs (lane) where state = 'failed';
create index jobs_failed on jobs (firm_id, failed_at desc, id) where state = 'failed';

-- The job list reads newest first. Without a firm it walks the keys of ids (version 7: they grow with time), with a firm this index;
-- it tells both states apart, so that a job costs one entry here whether it waits or has failed. Neither state nor id stands here as itself:
-- jobs come and go, so the planner mostly believes that there are a few, and would look one up by its id or a lane's by their state in here
-- as soon as anywhere, past the entries of all that are dead. nullif with an id that is never drawn is the id in the lists' own words.
create index jobs_of_firm on jobs (firm_id, (state = 'failed'), (nullif(id, '00000000-0000-0000-0000-000000000000')));
create index jobs_failed_newest on jobs ((nullif(id, '00000000-0000-0000-0000-000000000000'))) where state = 'failed';
create index jobs_failed_code on jobs (code, (nullif(id, '00000000-0000-0000-0000-000000000000'))) where state = 'failed';

-- Jobs that somebody cancelled while they ran, and that came back instead.
create index jobs_cancelled on jobs (id) where state = 'queued' and cancelled_at is not null;
select guard_by_firm('jobs');
grant update, delete on jobs to casehug_firm;

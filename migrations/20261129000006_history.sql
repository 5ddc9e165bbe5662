-- integration_sync_logs: what happened, for people. One row a job of the three published actions, under the job's id, from its start.
-- Written by enqueue and finish; goes after its retention time. The columns down to details are published; the rest is ours.
create table integration_sync_logs (
  id uuid primary key,
  firm_id uuid not null,
  integration_id uuid not null,
  matter_id uuid,
  upload_id uuid,
  action text not null check (action in ('sync_matter', 'sync_document', 'pull_matters')),
  status text not null default 'pending' check (status in ('pending', 'success', 'failed', 'skipped')),
  external_id text,
  error_message text,
  details jsonb not null default '{}',

  run_id uuid not null,
  code text,
  attempts integer not null default 0,
  created_at timestamptz not null,
  finished_at timestamptz,
  check ((status = 'pending') = (finished_at is null)),
  foreign key (firm_id, integration_id) references firm_integrations (firm_id, id)
) with (fillfactor = 80);
create index integration_sync_logs_firm on integration_sync_logs (firm_id, created_at desc, id desc);
create index integration_sync_logs_matter on integration_sync_logs (firm_id, matter_id, created_at desc, id desc);
create index integration_sync_logs_run on integration_sync_logs (run_id);
create index integration_sync_logs_finished on integration_sync_logs (integration_id, finished_at desc) where finished_at is not null;
select guard_by_firm('integration_sync_logs');
grant update on integration_sync_logs to casehug_firm;

-- activity: operations that are none of the three published actions: probes, webhooks, token trouble, administrative acts.
-- Written by enqueue, finish and workers; goes after its retention time.
-- An administrative act names who did it (author) and what it was done to (subject_id); an act for all firms belongs to none of them.
-- A row's end changes no index: half of each page is left free for it (a HOT update).
create table activity (
  id uuid primary key,
  firm_id uuid,
  connection_id uuid,
  kind text not null,
  status text not null default 'pending' check (status in ('pending', 'success', 'failed', 'skipped')),
  run_id uuid,
  code text,
  error_message text,
  details jsonb not null default '{}',
  attempts integer not null default 0,
  created_at timestamptz not null,
  finished_at timestamptz,
  author text,
  subject_id uuid
) with (fillfactor = 50);
create index activity_firm on activity (firm_id, created_at desc, id desc);
create index activity_acts on activity (subject_id, created_at) where author is not null;
select guard_by_firm('activity');
grant insert, update on activity to casehug_firm;

-- attempts: one execution of a job, with the calls it made (method, path template, status, ms, request id; no bodies).
-- Written by finish and takeover; goes after its retention time.
create table attempts (
  job_id uuid not null,
  number integer not null,
  firm_id uuid not null,
  started_at timestamptz not null,
  duration_ms integer not null,
  outcome text not null,
  code text,
  calls jsonb not null default '[]',
  primary key (job_id, number)
);
create index attempts_started on attempts (started_at);
select guard_by_firm('attempts');

-- links: our record and the provider's record that stands for it, kept per account; also the write-ahead intent of its creation.
-- claimed: a lane holds the key while it searches; nothing was sent. creating: the bytes of a POST may have left until send_until.
-- accepted: it exists at the provider, not yet visible (a document without its bytes). linked: it stands.
-- sent: what a look needs of what was sent, as ids and keyed digests; written with the intent. What CaseHug says now may differ.
-- Written by workers only; a superseded row is history and stays. platform is a connection's, so it is not checked again: a foreign key would
-- lock one row of platforms for each link.
create table links (
  id uuid primary key,
  firm_id uuid not null references firms (id),
  platform text collate "C" not null,
  region text collate "C" not null,
  account_id text collate "C" not null,
  kind text collate "C" not null check (kind in ('contact', 'matter', 'document')),
  effect_key text collate "C" not null,
  state text not null check (state in ('claimed', 'creating', 'accepted', 'linked')),
  record_id uuid not null,
  parent_id uuid,
  external_id text,
  version text,
  sent jsonb,
  sha256 text collate "C",
  holder_lane text collate "C",
  holder_fence bigint,
  send_until timestamptz,
  looked_at timestamptz,
  transferred_at timestamptz,
  doubted_at timestamptz,
  swept smallint not null default 0,
  last_seen_status text,
  created_at timestamptz not null,
  linked_at timestamptz,
  superseded_at timestamptz,
  constraint links_firm_key unique (firm_id, id),
  foreign key (firm_id, parent_id) references links (firm_id, id),
  check (state not in ('accepted', 'linked') or external_id is not null),
  check (state <> 'creating' or send_until is not null)
) with (fillfactor = 80);
create unique index links_effect_key on links (firm_id, platform, region, account_id, kind, effect_key) where superseded_at is null;
create index links_children on links (parent_id, sha256) where parent_id is not null;
create index links_doubted on links (doubted_at) where doubted_at is not null and swept < 2;
-- Creations of one record under another key.
create index links_creating on links (firm_id, record_id) where state = 'creating';
-- Creations whose doubt no claim has noted.
create index links_in_doubt on links (send_until) where state = 'creating' and doubted_at is null and swept < 2;
select guard_by_firm('links');

-- schedules: when a maintenance task last ran, so that it runs once across all workers. Written by the worker that runs it.
-- place: where a task that goes through much in small steps goes on.
create table schedules (
  name text collate "C" primary key,
  ran_at timestamptz not null,
  place bigint not null default 0
);
grant select, insert, update on schedules to casehug_worker;

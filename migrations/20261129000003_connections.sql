-- platforms: what SQL has to know of a platform, equal to its profile in the programs (a test compares them). Written by migrations; never goes.
-- cap: how many jobs of one connection run at a time, a running transfer apart. counted_by: what its limit counts by: an access token, the
-- firm, or our client id in a region. pace: calls a minute until its headers say more.
create table platforms (
  platform text collate "C" primary key,
  cap integer not null check (cap > 0),
  counted_by text not null check (counted_by in ('token', 'firm', 'client')),
  pace integer not null check (pace > 0)
);
insert into platforms (platform, cap, counted_by, pace) values
  ('clio', 1, 'token', 50),
  ('lawmatics', 1, 'firm', 50),
  ('smokeball', 4, 'client', 300),
  ('mycase', 4, 'client', 1500);
grant select on platforms to casehug_firm, casehug_worker;

-- firm_integrations: a connection, one firm's authorised link to one platform.
-- Written by the connect callback, the token refresh and the finisher; kept for ever, a disconnected row carries disconnected_at.
-- The columns down to sync_status are published; the rest is ours. Tokens and secret are sealed text.
-- troubled_at: when a job last ended for want of an answer (5xx, time out); the platform's breaker reads it.
create table firm_integrations (
  id uuid primary key,
  firm_id uuid not null references firms (id),
  platform text collate "C" not null references platforms,
  access_token text,
  refresh_token text,
  token_expires_at timestamptz,
  settings jsonb not null default '{}',
  webhook_secret text,
  is_active boolean not null default true,
  last_sync_at timestamptz,
  sync_status text not null default 'idle' check (sync_status in ('idle', 'syncing', 'error')),

  region text collate "C" not null check (region in ('us', 'eu', 'ca', 'au', 'uk')),
  account_id text collate "C" not null,
  account_label text not null,
  account_user jsonb not null default '{}',
  epoch bigint not null default 1,
  token_version bigint not null default 1,
  refreshing_until timestamptz,
  needs_reconnect_reason text,
  last_outcome text check (last_outcome in ('success', 'failed')),
  last_outcome_at timestamptz,
  troubled_at timestamptz,
  connected_at timestamptz not null,
  disconnected_at timestamptz,
  constraint firm_integrations_firm_key unique (firm_id, id)
) with (fillfactor = 80);
create unique index firm_integrations_platform_key on firm_integrations (firm_id, platform) where disconnected_at is null;
create unique index firm_integrations_account_key on firm_integrations (platform, region, account_id) where is_active;

-- None of last_outcome_at: each job's end writes it, and would then write all indexes of the row.
create index firm_integrations_troubled on firm_integrations (platform, troubled_at) where troubled_at is not null;
select guard_by_firm('firm_integrations');
grant insert, update on firm_integrations to casehug_firm;

-- oauth_states: a connect that has begun: first its one-time ticket (60 s), then its state and cookie (10 minutes).
-- Written by ingress; deleted when used, and by ingress's sweep when expired.
create table oauth_states (
  id uuid primary key,
  firm_id uuid not null references firms (id),
  platform text collate "C" not null references platforms,
  region text not null,
  actor text not null,
  ticket_hash bytea unique,
  state_hash bytea unique,
  cookie_hash bytea,
  expires_at timestamptz not null,
  check ((ticket_hash is null) <> (state_hash is null)),
  check ((state_hash is null) = (cookie_hash is null))
);
create index oauth_states_expiry on oauth_states (expires_at);
select guard_by_firm('oauth_states');
grant insert, update, delete on oauth_states to casehug_firm;

-- provider_cache: lists of a provider that seldom change (practice areas), per connection and account.
-- Written by workers; replaced when stale; goes with the connection.
create table provider_cache (
  firm_id uuid not null,
  connection_id uuid not null,
  account_id text collate "C" not null,
  kind text collate "C" not null check (kind in ('practice_areas', 'matter_types', 'staff')),
  value jsonb not null,
  fetched_at timestamptz not null,
  primary key (connection_id, account_id, kind),
  foreign key (firm_id, connection_id) references firm_integrations (firm_id, id)
);
select guard_by_firm('provider_cache');

-- pauses: why work is not visited, and until when ('infinity' = until somebody lifts it).
-- One table for a person's pause, a provider's Retry-After, the breaker and a lost authorisation.
-- Written by workers, admins and the connect callback; expired rows are deleted by maintenance.
-- scope: 'all', 'platform:<platform>', 'region:<platform>:<region>' (a bucket that a platform counts by client and region is used up) or
-- 'connection:<id>'.
-- A breaker's row also says how often in a row it was tried in vain, when it is tried again, and for which connection alone it does not
-- count while that one tries.
create table pauses (
  scope text collate "C" not null,
  reason text collate "C" not null check (reason in ('paused', 'retry_after', 'breaker', 'needs_reconnect')),
  firm_id uuid references firms (id),
  until timestamptz not null,
  author text not null,
  note text,
  created_at timestamptz not null,
  tries integer not null default 0,
  try_at timestamptz,
  trying uuid,
  trying_since timestamptz,
  primary key (scope, reason),
  check ((trying is null) = (trying_since is null))
);
select guard_by_firm('pauses');

-- A firm's own caller may be told that its platform, or everything, is paused.
create policy of_everybody on pauses for select to casehug_firm using (firm_id is null);
grant insert, update, delete on pauses to casehug_firm;

-- buckets: a platform's rate limit as it stands: the send times of the last window, one row a bucket.
-- Written by the permit, the headers of answers and the connect callback; stays: a missing bucket counts as used up.
create table buckets (
  key text collate "C" primary key,
  firm_id uuid references firms (id),
  budget integer not null check (budget > 0),
  configured integer not null check (configured > 0),
  window_ms integer not null check (window_ms > 0),
  sent timestamptz[] not null default '{}',
  paused_until timestamptz,
  raised_at timestamptz,
  used_at timestamptz not null
) with (fillfactor = 50);
select guard_by_firm('buckets');
grant insert, update on buckets to casehug_firm;

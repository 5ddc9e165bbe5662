-- storages: regions of platforms whose storage of files refused bytes, and has taken none since.
-- troubled: the connections whose bytes it refused. tries: how often it was tried in vain since it was closed.
-- try_at: when a transfer may try it; null while all may.
create table storages (
  platform text collate "C" not null references platforms,
  region text collate "C" not null,
  troubled uuid[] not null,
  tries integer not null default 0,
  try_at timestamptz,
  primary key (platform, region)
);
grant select, insert, update, delete on storages to casehug_worker;

-- jobs: 'storage' waits for the platform's storage of files.
alter table jobs drop constraint jobs_waiting_for_check;
alter table jobs add constraint jobs_waiting_for_check check (waiting_for in (
  'retry', 'limited', 'paused', 'provider', 'contact', 'doubt', 'shutdown', 'needs_reconnect', 'newer_worker',
  'sign_in', 'misconfigured', 'storage'));

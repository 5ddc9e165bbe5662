-- The history that the run keeps in its own database: triggers write, in the same transaction, who held which lane when,
-- and which process ended which execution. Every process of the run names itself by a start-up option of its sessions
-- (chaos.process), so that a row says who really wrote, whatever the service believed.
create schema chaos;

-- holds: one change of a lane's holder. The lane was held as `before` says and is held from `at` on as the rest says.
-- overtaken: how many waiting jobs of the lane stood before the one that was taken up.
create table chaos.holds (
  number bigint generated always as identity primary key,
  at timestamptz not null,
  transaction text not null,
  process text,
  lane text not null,
  connection_id uuid not null,
  worker_before uuid,
  fence_before bigint,
  job_before uuid,
  worker uuid,
  fence bigint,
  job uuid,
  transferring boolean not null,
  overtaken bigint not null
);

-- ends: one execution's end, as it was written to its job's history.
create table chaos.ends (
  at timestamptz not null,
  transaction text not null,
  process text,
  job uuid not null,
  number integer not null,
  outcome text not null,
  code text
);

-- workers: whose process a worker's row was.
create table chaos.workers (
  id uuid primary key,
  process text,
  at timestamptz not null
);

-- appends: one try to make an event's row, also where the row was there already. By a worker: the event came through Redis.
create table chaos.appends (
  event text not null,
  process text
);

create function chaos.note_append() returns trigger language plpgsql security definer set search_path = public as $$
begin
  insert into chaos.appends (event, process) values (new.id, current_setting('chaos.process', true));
  return new;
end $$;

create function chaos.note_hold() returns trigger language plpgsql security definer set search_path = public as $$
begin
  insert into chaos.holds (at, transaction, process, lane, connection_id, worker_before, fence_before, job_before, worker, fence, job, transferring, overtaken)
  values (clock_timestamp(), pg_current_xact_id()::text, current_setting('chaos.process', true), new.key, new.connection_id,
    old.worker, old.fence, old.running_job, new.worker, new.fence, new.running_job, new.transferring,
    case when new.running_job is not null and new.running_job is distinct from old.running_job then (
      select count(*) from jobs j where j.lane = new.key and j.state = 'queued' and j.seq < (select h.seq from jobs h where h.id = new.running_job))
    else 0 end);
  return null;
end $$;

create function chaos.note_end() returns trigger language plpgsql security definer set search_path = public as $$
begin
  insert into chaos.ends (at, transaction, process, job, number, outcome, code)
  values (clock_timestamp(), pg_current_xact_id()::text, current_setting('chaos.process', true), new.job_id, new.number, new.outcome, new.code);
  return null;
end $$;

create function chaos.note_worker() returns trigger language plpgsql security definer set search_path = public as $$
begin
  insert into chaos.workers (id, process, at) values (new.id, current_setting('chaos.process', true), clock_timestamp());
  return null;
end $$;

create trigger chaos_holds after update on lanes for each row
  when ((old.worker, old.fence, old.running_job, old.transferring) is distinct from (new.worker, new.fence, new.running_job, new.transferring))
  execute function chaos.note_hold();
create trigger chaos_ends after insert on attempts for each row execute function chaos.note_end();
create trigger chaos_appends before insert on events for each row execute function chaos.note_append();
create trigger chaos_workers after insert on workers for each row execute function chaos.note_worker();

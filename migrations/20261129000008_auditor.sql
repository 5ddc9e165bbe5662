-- The auditor: looks for lanes and jobs that break the queue's invariants, records each breach, and repairs what it can prove under the
-- lane's lock. Each check is one statement, and so sees one moment: whatever is committed must hold at every moment.
--
-- The rules, by the names under which breaches are recorded:
--   idle_with_job      a lane is idle, and a job waits in it: nobody would ever take it                              (repaired)
--   ready_without_job  a lane is ready, and no job waits in it                                                       (repaired)
--   ready_out_of_step  a lane is ready a minute or more before its head may run, or sleeps on a minute past that    (repaired)
--   left_behind        a job waits at a place that its lane has gone through                                         (repaired)
--   job_without_lane   a job waits in a lane that is not there                                                       (repaired)
--   held_by_nobody     a lane is held by a worker that has no row: no takeover will ever find it                     (repaired)
--   held_by_the_dead   a lane is held by a worker whose lease ended more than a lease ago: takeover does not do its work
--   held_twice         two lanes hold one job
--   holds_no_job       a held lane's job is not there, has failed, or waits in another lane
--   holds_not_its_head a held lane's job is not the first that waits in it: the order is broken
--   above_cap          a connection has more jobs at work than its cap allows, or more than one transfer
--   job_without_log    a waiting job has no pending log row

-- audit_breaches: a breach that an auditor saw. Written by workers and by the command line; goes after its retention time.
create table audit_breaches (
  id uuid primary key default gen_random_uuid(),
  found_at timestamptz not null,
  rule text not null,
  lane text,
  job_id uuid,
  connection_id uuid,
  repaired boolean not null
);
create index audit_breaches_found on audit_breaches (found_at);
grant select, insert, delete on audit_breaches to casehug_worker;

-- audits: where the two kinds of audit stand; two rows, made here, for ever. Written by the auditor, one at a time: running_until is
-- its claim, and lapses if it dies.
-- changed: what changed since the last pass. last_fence and held: the fence and the held lanes at its beginning: a lane that went idle since
-- was either among them or was leased under a later fence. full: all lanes, then all jobs, in key order; it goes on behind lanes_after, then jobs_after.
-- suspects: lanes seen held by a dead worker, with fence and time: after an outage everybody looks dead, so only the second look counts.
create table audits (
  name text collate "C" primary key check (name in ('changed', 'full')),
  began_at timestamptz,
  ended_at timestamptz,
  running_until timestamptz,
  last_fence bigint not null default 0,
  held text[] not null default '{}',
  suspects jsonb not null default '{}',
  lanes_after text,
  jobs_after uuid
);
insert into audits (name) values ('changed'), ('full');
grant select, update on audits to casehug_worker;

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

-- audits: where the two kinds of audit stand; two rows, made here, for ever. Written by whoever audits, one at a time: running_until is
-- his claim, and lapses if he dies.
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

-- Idle lanes by their last turn, the oldest first: who looks for what went idle lately, or long ago, reads those alone.
-- Its columns are indexed already, so that going on with a lane still touches no index; an entry is written when a lane goes idle.
create index lanes_idle on lanes (turn) where ready_at is null and worker is null;

create type audit_finding as (rule text, lane text collate "C", job_id uuid, connection_id uuid, fence bigint);

-- Checks lanes. A lane's head is read from where it has gone through: behind that lie the dead rows of everything it ever did.
create function audit_lanes(p_keys text[]) returns setof audit_finding language plpgsql volatile set enable_seqscan = off as $$
declare
  v_now timestamptz := app_now();
  v_slack interval := interval '1 minute';
begin
  return query
  select r.rule, l.key, coalesce(l.running_job, h.id), l.connection_id, l.fence
  from unnest(p_keys) k(key)
  cross join lateral (select x.* from lanes x where x.key = k.key limit 1) l
  left join lateral (select j.id, j.run_at from jobs j where j.lane = l.key and j.state = 'queued' and j.seq > l.gone_through order by j.seq limit 1) h on true
  left join lateral (select j.lane, j.state from jobs j where j.id = l.running_job limit 1) g on true
  left join lateral (select w.id, w.alive_until, w.lease_ms from workers w where w.id = l.worker limit 1) w on true
  cross join lateral (values
    ('idle_with_job', l.ready_at is null and l.worker is null and h.id is not null),
    ('ready_without_job', l.ready_at is not null and h.id is null),
    ('ready_out_of_step', l.ready_at is not null and h.id is not null
      and (l.ready_at + v_slack < h.run_at or l.ready_at > v_now + v_slack and l.ready_at > h.run_at + v_slack)),
    ('held_by_nobody', l.worker is not null and w.id is null),
    ('held_by_the_dead', l.worker is not null and w.alive_until + w.lease_ms * interval '1 ms' < v_now),
    ('holds_no_job', l.worker is not null and (g.lane is distinct from l.key or g.state is distinct from 'queued')),
    ('holds_not_its_head', l.worker is not null and g.lane = l.key and g.state = 'queued' and h.id is distinct from l.running_job)
  ) r(rule, is_broken)
  where r.is_broken;
end $$;

-- Checks all held lanes against each other.
create function audit_held() returns setof audit_finding language plpgsql volatile set enable_seqscan = off as $$
begin
  return query
  with held as (select l.key, l.running_job, l.connection_id, l.fence, l.transferring from lanes l where l.worker is not null),
  twice as (select h.running_job from held h group by h.running_job having count(*) > 1),
  crowded as (
    select h.connection_id from held h
    cross join lateral (select i.platform from firm_integrations i where i.id = h.connection_id limit 1) i
    group by h.connection_id
    having count(*) filter (where not h.transferring) > queue_cap(min(i.platform)) or count(*) filter (where h.transferring) > 1)
  select 'held_twice', h.key, h.running_job, h.connection_id, h.fence from held h join twice t on t.running_job = h.running_job
  union all
  select 'above_cap', null, null, c.connection_id, null from crowded c;
end $$;

-- Checks jobs. A failed job waits in no lane, and its log row has ended.
create function audit_jobs(p_ids uuid[]) returns setof audit_finding language plpgsql volatile set enable_seqscan = off as $$
begin
  return query
  select r.rule, j.lane, j.id, j.connection_id, l.fence
  from unnest(p_ids) k(id)
  cross join lateral (select x.* from jobs x where x.id = k.id limit 1) j
  left join lateral (select x.key, x.ready_at, x.worker, x.gone_through, x.fence from lanes x where x.key = j.lane limit 1) l on true
  left join lateral (select 1 as one from integration_sync_logs g where g.id = j.id and g.status = 'pending' limit 1) g on true
  left join lateral (select 1 as one from activity a where g.one is null and a.id = j.id and a.status = 'pending' limit 1) a on true
  cross join lateral (values
    ('job_without_lane', l.key is null),
    ('left_behind', j.seq <= l.gone_through),
    ('idle_with_job', l.key is not null and l.ready_at is null and l.worker is null),
    ('job_without_log', g.one is null and a.one is null)
  ) r(rule, is_broken)
  where j.state = 'queued' and r.is_broken;
end $$;

-- Claims an audit for whoever comes first: the row as it stands, or nothing when somebody is at it or its time has not come.
create function audit_claim(p_name text, p_every_ms bigint, p_claim_ms bigint) returns setof audits language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
  v_audit audits%rowtype;
begin
  perform 1 from audits a where a.name = p_name for update;
  select * into v_audit from audits a where a.name = p_name;
  if v_audit.running_until > v_now or p_every_ms > 0 and v_audit.began_at > v_now - p_every_ms * interval '1 ms' then
    return;
  end if;
  update audits a set running_until = v_now + p_claim_ms * interval '1 ms' where a.name = p_name;
  return next v_audit;
end $$;

-- Claims the next part of the full audit. It begins anew once a night, at 8:00 UTC: midnight to four in the firms' time zones.
create function audit_claim_full(p_claim_ms bigint) returns setof audits language plpgsql volatile as $$
declare
  v_night timestamptz := date_trunc('day', app_now() at time zone 'UTC' - interval '8 hours') at time zone 'UTC' + interval '8 hours';
  v_audit audits%rowtype;
begin
  select * into v_audit from audit_claim('full', 0, p_claim_ms);
  if v_audit.name is null then
    return;
  end if;
  if v_audit.lanes_after is null and v_audit.jobs_after is null then
    if v_audit.began_at >= v_night then
      update audits a set running_until = null where a.name = 'full';
      return;
    end if;
    update audits a set began_at = app_now(), lanes_after = '' where a.name = 'full';
    v_audit.lanes_after := '';
  end if;
  return next v_audit;
end $$;

-- The next lanes in key order, and the next jobs in id order.
create function audit_next_lanes(p_after text, p_limit integer) returns setof text language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  return query select l.key from lanes l where l.key > p_after order by l.key limit p_limit;
end $$;

create function audit_next_jobs(p_after uuid, p_limit integer) returns setof uuid language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  return query select j.id from jobs j where j.id > p_after order by j.id limit p_limit;
end $$;

-- Where a pass over what changed begins: what the next one has to know.
create function audit_mark(out began_at timestamptz, out fence bigint, out held text[]) language plpgsql volatile set enable_seqscan = off as $$
begin
  began_at := app_now();
  fence := coalesce(pg_sequence_last_value('fence_seq'), 0);
  held := array(select l.key from lanes l where l.worker is not null);
end $$;

-- The least id of a job that came at a time: ids begin with their time (uuid version 7).
create function audit_first_id(p_at timestamptz) returns uuid language sql immutable as $$
  select (lpad(to_hex(greatest(0, extract(epoch from p_at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;
$$;

-- Jobs that came since, the newest first. A minute is allowed for clocks that differ and transactions that last.
create function audit_new_jobs(p_since timestamptz, p_limit integer) returns setof uuid language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_first uuid := audit_first_id(coalesce(p_since, 'epoch') - interval '1 minute');
begin
  return query select j.id from jobs j where j.id >= v_first order by j.id desc limit p_limit;
end $$;

-- The lanes that may have changed since a pass that began at p_since, at fence p_fence, with p_held held: those held then and now, those
-- that went idle since, those of jobs that came since, and those of jobs that ran since and are still there. At most p_limit of each of
-- the last three kinds, the newest: what is beyond is seen by the full audit.
create function audit_changed_lanes(p_since timestamptz, p_fence bigint, p_held text[], p_limit integer) returns setof text
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_since timestamptz := coalesce(p_since, 'epoch') - interval '1 minute';
  v_first uuid := audit_first_id(v_since);
begin
  return query
  select unnest(p_held)
  union
  select l.key from lanes l where l.worker is not null
  union
  (select l.key from lanes l where l.ready_at is null and l.worker is null and l.turn > p_fence order by l.turn desc limit p_limit)
  union
  (select j.lane from jobs j where j.id >= v_first order by j.id desc limit p_limit)
  union
  select j.lane from (select a.job_id from attempts a where a.started_at >= v_since order by a.started_at desc limit p_limit) a
    cross join lateral (select x.lane from jobs x where x.id = a.job_id limit 1) j;
end $$;

-- Brings one lane back in line with its jobs, as far as that can be proved while its lock is held, and returns whether anything was wrong.
-- A lane that somebody holds is left to him, unless that somebody has no row: then nobody can renew, finish or take over what he held.
create function audit_repair(p_lane text) returns boolean language plpgsql volatile set enable_seqscan = off as $$
declare
  v_was lanes%rowtype;
  v_is lanes%rowtype;
  v_first jobs%rowtype;
begin
  perform 1 from lanes l where l.key = p_lane for update;
  select * into v_was from lanes l where l.key = p_lane;
  select * into v_first from jobs j where j.lane = p_lane and j.state = 'queued' order by j.seq limit 1;
  if v_was.key is null then
    if v_first.id is null then
      return false;
    end if;
    insert into lanes (key, firm_id, connection_id, tail, gone_through, priority)
    select p_lane, v_first.firm_id, v_first.connection_id, max(j.seq), v_first.seq - 1, v_first.priority from jobs j where j.lane = p_lane
    on conflict (key) do nothing;
  elsif v_was.worker is not null then
    if exists (select 1 from workers w where w.id = v_was.worker) then
      return false;
    end if;
    perform queue_release_lost(p_lane, v_was.running_job);
  end if;
  update lanes l set gone_through = v_first.seq - 1 where l.key = p_lane and l.worker is null and l.gone_through >= v_first.seq;
  perform queue_settle_lanes(array[p_lane]);
  select * into v_is from lanes l where l.key = p_lane;
  return (v_was.ready_at is null, v_was.worker, v_was.gone_through) is distinct from (v_is.ready_at is null, v_is.worker, v_is.gone_through)
    or abs(extract(epoch from v_was.ready_at - v_is.ready_at)) > 1;
end $$;

select guard_functions('{audit}');

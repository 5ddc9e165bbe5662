-- Lease: a worker visits connections of its own choosing and takes their lanes, each connection up to its cap.
-- Per visit: the connection is locked (try), its held lanes are counted in the next statement, ready lanes are locked (skip locked),
-- their heads are read, and the hold is written. A worker whose own row has lapsed gets nothing.

-- How many jobs of one connection run side by side, a running transfer apart: "one matter at a time" where a platform's users were promised that.
create function queue_cap(p_platform text) returns integer language sql immutable as $$
  select case when p_platform in ('clio', 'lawmatics') then 1 else 4 end;
$$;

-- True while a pause forbids calls of this connection. A region's pause stands for its bucket, which the permit asks itself.
create function queue_is_paused(p_connection uuid, p_platform text) returns boolean language plpgsql volatile as $$
begin
  return exists (
    select 1 from pauses p
    where p.scope = any(array['all', 'platform:' || p_platform, 'connection:' || p_connection]) and p.until > app_now()
      and p.trying is distinct from p_connection);
end $$;

-- Serialises whoever counts a connection's held lanes: a count on a snapshot lets every worker see room where there is none.
create function queue_try_connection(p_connection uuid) returns boolean language sql volatile as $$
  select pg_try_advisory_xact_lock(hashtextextended(p_connection::text, 7));
$$;

-- What a visit of a connection needs and finds. ready_floor and turn_floor are what the worker remembers of its last visit: no lane of the
-- connection is ready since before the one, none held since before the other; so a look starts behind the rows that are long dead, also
-- while an old transaction keeps them from being removed. Neither needs to be remembered: '-infinity' and 0 are always right.
create type connection_visit as (
  connection_id uuid, ready_floor timestamptz, turn_floor bigint, background_first boolean, paused_until timestamptz, room integer, room_others integer);

-- A row of a lease: a job that was taken (id not null), or what became of a visit (id null).
-- found: 'taken'; 'busy' (another worker is just visiting), 'paused', 'full' (more is due than its cap allows), 'more' (the worker's own room
-- ended), 'clear' (nothing more is due, or what is due is locked by somebody for a moment). wait_ms: until when there is nothing to look for;
-- null when nobody knows. priority: of a visit 0 where something is left that a person waits for.
create type leased_job as (
  connection_id uuid, found text, wait_ms bigint, ready_floor timestamptz, turn_floor bigint,
  lane text collate "C", fence bigint, id uuid, firm_id uuid, kind text, matter_id uuid, upload_id uuid, explicit boolean, run_id uuid,
  event_ids text[], priority smallint, attempts integer, limited integer, age_ms bigint, cancelled boolean);

-- A lane made ready by a transaction that has not committed yet carries a time that lies back by as much as that transaction lasts. One that
-- lasts longer than this is found by the look at all ready connections, which tells the time of each one's first lane. Each visit reads the
-- dead rows of so long again while an old transaction is open.
create function queue_floor_slack() returns interval language sql immutable as $$ select interval '5 s' $$;

-- The visits that may take something: those whose lock is got, with their pauses and their room.
-- No bitmaps: only an index scan marks the entries of dead rows that it meets, and those of held lanes are dead soon.
create function queue_open_visits(p_visits connection_visit[]) returns connection_visit[] language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_locked connection_visit[];
  v_open connection_visit[];
  v_last_fence bigint := coalesce(pg_sequence_last_value('fence_seq'), 0);
  v_now timestamptz := app_now();
begin
  select array_agg(v::connection_visit) into v_locked from unnest(p_visits) v where queue_try_connection(v.connection_id);
  select array_agg((v.connection_id, v.ready_floor, coalesce(h.first_turn, v_last_fence), v.background_first,
      p.until, r.cap - h.held, r.cap - h.held - (r.cap > 1)::integer)::connection_visit)
    into v_open
    from unnest(v_locked) v
    cross join lateral (
      select i.platform, i.region, coalesce(i.troubled_at, '-infinity') as troubled_at from firm_integrations i where i.id = v.connection_id limit 1) c
    cross join lateral (
      -- The one that tries for its platform does so with one job.
      select max(x.until) filter (where not t.trying) as until, bool_or(t.trying) as trying
      from pauses x cross join lateral (
        select x.trying is not distinct from v.connection_id and c.troubled_at < x.trying_since as trying) t
      where x.scope = any(array['all', 'platform:' || c.platform, 'region:' || c.platform || ':' || c.region, 'connection:' || v.connection_id])
        and x.until > v_now) p
    cross join lateral (select case when p.trying then 1 else queue_cap(c.platform) end as cap) r
    cross join lateral (
      select count(*) filter (where not l.transferring)::integer as held, min(l.turn) as first_turn
      from lanes l where l.connection_id = v.connection_id and l.worker is not null and l.turn >= v.turn_floor) h;
  return v_open;
end $$;

-- Locks due lanes of the visited connections and returns the keys of those to be taken: of each connection as many as it has room for, and
-- no more than p_limit in all, of which at most p_limit_others wait for no person. One lane more than there is room for is looked at, so that
-- it is known whether something is left. taken, fitting and due name a connection once for each lane that was taken, that its cap allows, and
-- that is due. Within a connection people come first, then events, then background; when it is background's turn,
-- one background lane comes before them.
create function queue_choose_lanes(p_visits connection_visit[], p_now timestamptz, p_limit integer, p_limit_others integer, out chosen text[], out taken uuid[],
  out fitting uuid[], out due uuid[])
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  with candidates as (
    select v.connection_id, v.room, v.room_others, p.priority, l.key, l.ready_at, p.priority > 0 as other,
      v.background_first and p.priority = 2 and row_number() over (partition by v.connection_id, p.priority order by l.ready_at) = 1 as turn
    from unnest(p_visits) v cross join (values (0::smallint), (1::smallint), (2::smallint)) p(priority)
    cross join lateral (
      select l.key, l.ready_at from lanes l
      where l.connection_id = v.connection_id and l.priority = p.priority and l.ready_at >= v.ready_floor and l.ready_at <= p_now
      order by l.ready_at
      limit least(p_limit, greatest(case when p.priority = 0 then v.room else v.room_others end, 0)) + 1
      for update skip locked) l
    where v.paused_until is null),
  ranked as (
    select c.*, count(*) filter (where c.other) over (partition by c.connection_id order by c.turn desc, c.priority, c.ready_at, c.key) as nth_other
    from candidates c),
  allowed as (
    select r.*, r.room_others >= r.nth_other or not r.other as fits,
      count(*) filter (where r.room_others >= r.nth_other or not r.other)
        over (partition by r.connection_id order by r.turn desc, r.priority, r.ready_at, r.key) as rank
    from ranked r),
  roomy as (
    select f.*, f.fits and f.rank <= f.room as roomy,
      count(*) filter (where f.fits and f.rank <= f.room) over (order by f.other, f.rank, f.connection_id, f.key) as nth,
      count(*) filter (where f.other and f.fits and f.rank <= f.room) over (order by f.other, f.rank, f.connection_id, f.key) as others
    from allowed f)
  select array_agg(r.key) filter (where r.takes), array_agg(r.connection_id) filter (where r.takes),
      array_agg(r.connection_id) filter (where r.roomy), array_agg(r.connection_id)
    into chosen, taken, fitting, due
  from (select y.*, y.roomy and y.nth <= p_limit and y.others <= p_limit_others as takes from roomy y) r;
end $$;

-- The heads of lanes: what each one's next job is.
create type lane_head as (lane text collate "C", job_id uuid, run_at timestamptz, priority smallint);

-- In the order of p_lanes. p_gone: the last seq that has left each lane, where the caller knows better than the lane's row.
create function queue_heads(p_lanes text[], p_gone bigint[]) returns lane_head[] language plpgsql volatile set enable_seqscan = off as $$
declare
  v_heads lane_head[];
begin
  select array_agg((k.lane, h.id, h.run_at, h.priority)::lane_head order by k.nth) into v_heads
  from unnest(p_lanes, p_gone) with ordinality k(lane, gone, nth)
  cross join lateral (select coalesce(k.gone, (select l.gone_through from lanes l where l.key = k.lane)) as through) g
  left join lateral (
    select j.id, j.run_at, j.priority from jobs j where j.lane = k.lane and j.state = 'queued' and j.seq > g.through order by j.seq limit 1) h on true;
  return v_heads;
end $$;

-- Holds lanes whose locks the caller has, for their heads. A lane without a head goes idle. Returns the lanes held.
create function queue_hold_lanes(p_worker uuid, p_heads lane_head[]) returns text[] language plpgsql volatile
set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_held text[];
begin
  with held as (
    update lanes l set ready_at = null, changed_at = clock_timestamp(), transferring = false,
      worker = case when h.job_id is not null then p_worker end, running_job = h.job_id,
      fence = coalesce(h.fence, l.fence), turn = coalesce(h.fence, l.turn)
    from (select u.*, case when u.job_id is not null then nextval('fence_seq') end as fence from unnest(p_heads) u) h
    where l.key = h.lane returning l.key, l.worker)
  select array_agg(h.key) filter (where h.worker is not null) into v_held from held h;
  return v_held;
end $$;

-- The running jobs of held lanes, as a worker gets them.
create function queue_held_jobs(p_lanes text[], p_now timestamptz) returns setof leased_job language plpgsql volatile set enable_seqscan = off as $$
begin
  return query
  select j.connection_id, 'taken', null::bigint, null::timestamptz, null::bigint, k.lane, l.fence, j.id, j.firm_id, j.kind, j.matter_id, j.upload_id,
    j.explicit, j.run_id, j.event_ids, j.priority, j.attempts, j.limited,
    coalesce((extract(epoch from p_now - j.started_at) * 1000)::bigint, 0), j.cancelled_at is not null
  from unnest(p_lanes) k(lane)
  cross join lateral (select x.fence, x.running_job from lanes x where x.key = k.lane limit 1) l
  cross join lateral (select x.* from jobs x where x.id = l.running_job limit 1) j;
end $$;

-- Visits connections and leases lanes of theirs. A row for each job taken and a row for each visit.
create function queue_lease(p_worker uuid, p_limit integer, p_limit_others integer, p_connections uuid[], p_ready_floors timestamptz[],
  p_turn_floors bigint[], p_background_first boolean[]) returns setof leased_job language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
declare
  v_now timestamptz := app_now();
  v_visits connection_visit[];
  v_chosen text[];
  v_taken uuid[];
  v_fitting uuid[];
  v_due uuid[];
begin
  perform 1 from workers w where w.id = p_worker and w.alive_until > v_now;
  if not found then
    return;
  end if;
  select queue_open_visits(array_agg((u.c, coalesce(u.r, '-infinity'), u.t, u.b, null, 0, 0)::connection_visit)) into v_visits
  from unnest(p_connections, p_ready_floors, p_turn_floors, p_background_first) u(c, r, t, b);
  select x.chosen, x.taken, x.fitting, x.due into v_chosen, v_taken, v_fitting, v_due from queue_choose_lanes(v_visits, v_now, p_limit, p_limit_others) x;
  if v_chosen is not null then
    return query select * from queue_held_jobs(queue_hold_lanes(p_worker, queue_heads(v_chosen, null)), v_now);
  end if;
  return query select * from queue_visits_found(p_connections, v_visits, v_taken, v_fitting, v_due, v_now);
end $$;

-- What became of each visit, in their order; of a connection with nothing more to take it is looked up when its next lane becomes due. What is
-- due then and was not taken is locked by somebody, an enqueue for instance: it is looked for again in a moment, and the floor stays below it.
-- A pause is looked at again after a minute at the latest, should the notification of its end be lost.
create function queue_visits_found(p_connections uuid[], p_visits connection_visit[], p_taken uuid[], p_fitting uuid[], p_due uuid[],
  p_now timestamptz) returns setof leased_job language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  return query
  select c.id, f.found,
    case f.found when 'paused' then (extract(epoch from least(v.paused_until, p_now + interval '1 minute') - p_now) * 1000)::bigint
                 when 'clear' then case when n.ready_at is not null then (greatest(extract(epoch from n.ready_at - p_now), 0.015) * 1000)::bigint end end,
    case when f.found = 'clear' then least(p_now - queue_floor_slack(), n.ready_at) else nullif(v.ready_floor, '-infinity') end, v.turn_floor,
    null::text, null::bigint, null::uuid, null::uuid, null::text, null::uuid, null::uuid, null::boolean, null::uuid, null::text[],
    w.priority, null::integer, null::integer, null::bigint, null::boolean
  from unnest(p_connections) with ordinality c(id, number)
  left join unnest(p_visits) v on v.connection_id = c.id
  left join (
    select x.id, count(*) filter (where x.what = 'due') as due, count(*) filter (where x.what = 'fitting') as fitting,
      count(*) filter (where x.what = 'taken') as taken
    from (select 'due', u.id from unnest(p_due) u(id) union all select 'fitting', u.id from unnest(p_fitting) u(id)
          union all select 'taken', u.id from unnest(p_taken) u(id)) x(what, id)
    group by x.id) d on d.id = c.id
  cross join lateral (select case
    when v.connection_id is null then 'busy'
    when v.paused_until is not null then 'paused'
    when d.taken < d.fitting then 'more'
    when d.fitting < d.due then 'full'
    else 'clear' end as found) f
  left join lateral (
    select min(x.ready_at) as ready_at from (values (0::smallint), (1::smallint), (2::smallint)) p(priority) cross join lateral (
      select l.ready_at from lanes l where l.connection_id = c.id and l.priority = p.priority and l.ready_at >= v.ready_floor order by l.ready_at limit 1) x
    where f.found = 'clear') n on true
  left join lateral (
    select l.priority from lanes l
    where f.found in ('full', 'more') and l.connection_id = c.id and l.priority = 0 and l.ready_at >= v.ready_floor and l.ready_at <= p_now limit 1) w on true
  order by c.number;
end $$;

-- The connections that have ready lanes, behind p_after in id order: the truth that notifications only hurry. With the time of each one's
-- first lane, and from where a visit may look: not from the first lane's time when that is to come, or a lane that becomes ready before it
-- would be passed over. person: somebody waits for a lane of it that is due.
-- One step over the index alone for each priority that a connection has ready lanes of.
create function queue_ready_connections(p_after uuid, p_limit integer)
returns table (connection_id uuid, first_ready_at timestamptz, ready_floor timestamptz, person boolean)
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_now timestamptz := app_now();
  v_left integer := p_limit;
  v_next record;
begin
  select p_after as connection_id, 32767::smallint as priority, null::timestamptz as ready_at into v_next;
  person := false;
  loop
    select l.connection_id, l.priority, l.ready_at into v_next from lanes l
    where l.ready_at is not null and (l.connection_id, l.priority) > (v_next.connection_id, v_next.priority)
    order by l.connection_id, l.priority, l.ready_at limit 1;
    if first_ready_at is not null and v_next.connection_id is distinct from connection_id then
      ready_floor := least(first_ready_at, v_now - queue_floor_slack());
      return next;
      v_left := v_left - 1;
      first_ready_at := null;
      person := false;
    end if;
    exit when v_next.connection_id is null or v_left = 0;
    connection_id := v_next.connection_id;
    first_ready_at := least(first_ready_at, v_next.ready_at);
    person := person or v_next.priority = 0 and v_next.ready_at <= v_now;
  end loop;
end $$;

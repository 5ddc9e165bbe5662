-- Lease: lanes are locked first (skip locked), then their heads are read, then the hold is written.
-- A worker whose own row has lapsed gets nothing. Connections are visited in rotation, so that none is served twice before another.

-- True while a pause forbids work of this connection.
create function queue_is_paused(p_connection uuid, p_platform text) returns boolean language sql volatile as $$
  select exists (select 1 from pauses p
    where p.scope in ('all', 'platform:' || p_platform, 'connection:' || p_connection) and p.until > app_now());
$$;

-- The next connection after p_after, in id order, that has a ready lane; wraps around once. Null when there is none.
create function queue_next_connection(p_after uuid) returns uuid language plpgsql volatile as $$
declare
  v_next uuid;
begin
  select l.connection_id into v_next from lanes l where l.ready_at is not null and l.connection_id > p_after order by l.connection_id limit 1;
  if v_next is null then
    select l.connection_id into v_next from lanes l where l.ready_at is not null order by l.connection_id limit 1;
  end if;
  return v_next;
end $$;

create type leased_job as (
  connection_after uuid, lane text, fence bigint, id uuid, firm_id uuid, connection_id uuid, kind text, matter_id uuid, upload_id uuid,
  explicit boolean, run_id uuid, event_ids text[], priority smallint, attempts integer, limited integer, executions integer,
  age_ms bigint, cancelled boolean);

-- Takes lanes of one connection, whose heads are due, and holds them for p_worker. A lane without a head goes idle.
create function queue_lease_connection(p_worker uuid, p_connection uuid, p_limit integer) returns setof leased_job language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
  v_keys text[];
  v_heads uuid[];
begin
  select array_agg(x.key) into v_keys from (
    select l.key from lanes l where l.connection_id = p_connection and l.ready_at <= v_now
    order by l.ready_at limit p_limit for update skip locked) x;
  if v_keys is null then
    return;
  end if;
  select array_agg((select j.id from jobs j where j.lane = l.key and j.state = 'queued' and j.seq > l.gone_through order by j.seq limit 1) order by k.o)
    into v_heads
    from unnest(v_keys) with ordinality k(key, o) join lanes l on l.key = k.key;
  update lanes l set ready_at = null, changed_at = clock_timestamp(),
    worker = case when h.id is not null then p_worker end, running_job = h.id,
    fence = case when h.id is not null then nextval('fence_seq') else l.fence end
  from unnest(v_keys, v_heads) h(key, id) where l.key = h.key;
  update jobs j set started_at = coalesce(j.started_at, v_now), executions = j.executions + 1 where j.id = any(v_heads);
  return query
    select p_connection, l.key, l.fence, j.id, j.firm_id, j.connection_id, j.kind, j.matter_id, j.upload_id, j.explicit, j.run_id, j.event_ids,
      j.priority, j.attempts, j.limited, j.executions,
      (extract(epoch from v_now - j.started_at) * 1000)::bigint, j.cancelled_at is not null
    from lanes l join jobs j on j.id = l.running_job where l.key = any(v_keys) and l.worker = p_worker;
end $$;

-- Leases up to p_limit lanes, at most p_each of one connection, beginning behind connection p_after.
create function queue_lease(p_worker uuid, p_limit integer, p_each integer, p_after uuid) returns setof leased_job language plpgsql volatile as $$
declare
  v_connection uuid := p_after;
  v_first uuid;
  v_taken integer := 0;
  v_rows integer;
  v_platform text;
begin
  perform 1 from workers w where w.id = p_worker and w.alive_until > app_now();
  if not found then
    return;
  end if;
  for turn in 1..64 loop
    exit when v_taken >= p_limit;
    v_connection := queue_next_connection(v_connection);
    exit when v_connection is null or v_connection = v_first;
    v_first := coalesce(v_first, v_connection);
    select c.platform into v_platform from firm_integrations c where c.id = v_connection;
    continue when queue_is_paused(v_connection, v_platform);
    return query select * from queue_lease_connection(p_worker, v_connection, least(p_each, p_limit - v_taken));
    get diagnostics v_rows = row_count;
    v_taken := v_taken + v_rows;
  end loop;
end $$;

-- When the next lane becomes due or the next pause ends, in ms from now, looking at most an hour ahead; null when nothing does.
create function queue_next_due_ms() returns bigint language sql volatile as $$
  select (extract(epoch from least(
    (select min(l.ready_at) from lanes l where l.ready_at is not null and l.ready_at > app_now() and l.ready_at < app_now() + interval '1 hour'),
    (select min(p.until) from pauses p where p.until > app_now() and p.until < app_now() + interval '1 hour')) - app_now()) * 1000)::bigint;
$$;

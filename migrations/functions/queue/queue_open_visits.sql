-- The visits that may take something: those whose lock is got, with their pauses and their capacity.
-- No bitmaps: only an index scan marks the entries of dead rows that it meets, and those of held lanes are dead soon.
create or replace function queue_open_visits(p_visits connection_visit[]) returns connection_visit[] language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_locked connection_visit[];
  v_open connection_visit[];
  v_last_fence bigint := coalesce(pg_sequence_last_value('fence_seq'), 0);
  v_now timestamptz := app_now();
begin
  select array_agg(v::connection_visit) into v_locked from unnest(p_visits) v where queue_try_connection(v.connection_id);
  select array_agg((v.connection_id, v.ready_floor, coalesce(h.first_fence, v_last_fence), v.background_first,
      p.until, r.cap - h.held, r.cap - h.held - (r.cap > 1)::integer)::connection_visit)
    into v_open
    from unnest(v_locked) v
    cross join lateral (
      select i.platform, i.region, coalesce(i.troubled_at, '-infinity') as troubled_at,
        -- Not queue_cap: a call of it costs more than this step in an index.
        (select f.cap from platforms f where f.platform = i.platform) as cap
      from firm_integrations i where i.id = v.connection_id limit 1) c
    cross join lateral (
      -- The one that tries for its platform does so with one job.
      select max(x.until) filter (where not t.trying) as until, bool_or(t.trying) as trying
      from pauses x cross join lateral (
        select x.trying is not distinct from v.connection_id and c.troubled_at < x.trying_since as trying) t
      where x.scope = any(array['all', 'platform:' || c.platform, 'region:' || c.platform || ':' || c.region, 'connection:' || v.connection_id])
        and x.until > v_now) p
    cross join lateral (select case when p.trying then 1 else c.cap end as cap) r
    cross join lateral (
      select count(*) filter (where not l.transferring)::integer as held, min(l.first_fence) as first_fence
      from lanes l where l.connection_id = v.connection_id and l.worker is not null and l.first_fence >= v.first_fence_floor) h;
  return v_open;
end $$;

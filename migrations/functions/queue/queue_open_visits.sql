-- The visits that may take something: those whose lock is got, with their pauses and their capacity.
-- No bitmaps: only an index scan marks the entries of dead rows that it meets, and those of held lanes are dead soon.
--
-- Example. A connection with cap 4 holds 1 lane, which it has held since fence 70, and nothing is paused. Its visit has
-- capacity 3, capacity_others 2 and first_fence_floor 70. A connection that another worker is just visiting has no row.
-- A connection that tries for its platform may hold 1 lane: while it holds none, both capacities are 1.
create or replace function queue_open_visits(p_visits connection_visit[]) returns connection_visit[]
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_locked connection_visit[];
  v_open connection_visit[];
  v_last_fence bigint := coalesce(pg_sequence_last_value('fence_seq'), 0);
  v_now timestamptz := app_now();
begin
  select array_agg(visit::connection_visit) into v_locked
  from unnest(p_visits) visit
  where queue_try_connection(visit.connection_id);
  select array_agg(opened::connection_visit) into v_open
  from (
    select visit.connection_id, visit.ready_floor,
      coalesce(holding.first_fence, v_last_fence) as first_fence_floor, visit.background_first,
      pause.until as paused_until,
      room.cap - holding.held as capacity,
      room.cap - holding.held - (room.cap > 1)::integer as capacity_others
    from unnest(v_locked) visit
    cross join lateral (
      select integration.platform, integration.region, coalesce(integration.troubled_at, '-infinity') as troubled_at,
        -- Not queue_cap: a call of it costs more than this step in an index.
        (select profile.cap from platforms profile where profile.platform = integration.platform) as cap
      from firm_integrations integration
      where integration.id = visit.connection_id
      limit 1) connection
    cross join lateral (
      -- The one that tries for its platform does so with one job.
      select max(pause.until) filter (where not its_own.trying) as until, bool_or(its_own.trying) as trying
      from pauses pause
      cross join lateral (
        select pause.trying is not distinct from visit.connection_id and connection.troubled_at < pause.trying_since
          as trying) its_own
      where pause.scope = any(array[
          'all',
          'platform:' || connection.platform,
          'region:' || connection.platform || ':' || connection.region,
          'connection:' || visit.connection_id])
        and pause.until > v_now) pause
    cross join lateral (select case when pause.trying then 1 else connection.cap end as cap) room
    cross join lateral (
      select count(*) filter (where not lane.transferring)::integer as held, min(lane.first_fence) as first_fence
      from lanes lane
      where lane.connection_id = visit.connection_id and lane.worker is not null
        and lane.first_fence >= visit.first_fence_floor) holding) opened;
  return v_open;
end $$;

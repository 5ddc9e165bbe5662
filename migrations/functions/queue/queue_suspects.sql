-- The connections of suspect lanes that a worker that runs alone may take now, once for each lane: no pause forbids it,
-- and the connection's cap has room.
--
-- Example. Two suspect lanes of connection A are due, one of B is held, and one of C is due while C's region is paused:
-- A is returned twice.
create or replace function queue_suspects(p_limit integer) returns setof uuid
language sql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
  select lane.connection_id
  from lanes lane
  join firm_integrations integration on integration.id = lane.connection_id
  where lane.suspect and lane.worker is null and lane.ready_at <= app_now()
    and not queue_is_paused(lane.connection_id, integration.platform)
    and not exists (
      select 1 from pauses pause
      where pause.scope = 'region:' || integration.platform || ':' || integration.region and pause.until > app_now())
    and (
      select count(*) from lanes held
      where held.connection_id = lane.connection_id and held.worker is not null and not held.transferring)
      < (select profile.cap from platforms profile where profile.platform = integration.platform)
  limit p_limit;
$$;

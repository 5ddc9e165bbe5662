-- Gauges of the whole database, cheap enough for every worker every few seconds.
-- Each looks at a bounded part, by an index.
-- The oldest due lane is found by one step a connection (20,000 at most). A paused connection does not count.
create or replace function gauge_queue(out oldest_ready_ms bigint, out stuck bigint, out held bigint)
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_now timestamptz := app_now();
begin
  select coalesce(max(extract(epoch from v_now - ready.first_ready_at) * 1000), 0)::bigint,
      count(*) filter (
        where ready.first_ready_at < v_now - interval '1 minute'
          and not exists (
            select 1
            from lanes lane
            where lane.connection_id = ready.connection_id and lane.worker is not null))
    into oldest_ready_ms, stuck
  from queue_ready_connections('00000000-0000-0000-0000-000000000000', 20000) ready
  cross join lateral (
    select integration.platform
    from firm_integrations integration
    where integration.id = ready.connection_id
    limit 1) connection
  where ready.first_ready_at <= v_now and not queue_is_paused(ready.connection_id, connection.platform);
  select count(*),
      stuck + count(*) filter (
        where holder.id is null or holder.alive_until + holder.lease_ms * interval '1 ms' < v_now)
    into held, stuck
  from lanes lane
  left join lateral (select worker.* from workers worker where worker.id = lane.worker limit 1) holder on true
  where lane.worker is not null;
end $$;

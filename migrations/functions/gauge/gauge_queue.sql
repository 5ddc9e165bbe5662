-- Gauges of the whole database, cheap enough for every worker every few seconds: each looks at a bounded part, by an index.
-- The oldest due lane is found by one step a connection (20,000 at most); a connection that is paused is not waiting for us.
create or replace function gauge_queue(out oldest_ready_ms bigint, out stuck bigint, out held bigint) language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_now timestamptz := app_now();
begin
  select coalesce(max(extract(epoch from v_now - r.first_ready_at) * 1000), 0)::bigint,
    count(*) filter (where r.first_ready_at < v_now - interval '1 minute'
      and not exists (select 1 from lanes l where l.connection_id = r.connection_id and l.worker is not null))
    into oldest_ready_ms, stuck
    from queue_ready_connections('00000000-0000-0000-0000-000000000000', 20000) r
    cross join lateral (select c.platform from firm_integrations c where c.id = r.connection_id limit 1) c
    where r.first_ready_at <= v_now and not queue_is_paused(r.connection_id, c.platform);
  select count(*), stuck + count(*) filter (where w.id is null or w.alive_until + w.lease_ms * interval '1 ms' < v_now) into held, stuck
    from lanes l left join lateral (select x.* from workers x where x.id = l.worker limit 1) w on true where l.worker is not null;
end $$;

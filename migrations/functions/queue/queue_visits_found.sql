-- What became of each visit, in their order. Of a connection with nothing more to take it is looked up when its next
-- lane becomes due. What is due then and was not taken, another transaction has locked, an enqueue for instance: the
-- worker looks for it again in a moment, and the floor stays below it.
-- A suspect lane is no news for those who may not take it.
-- A pause is looked at again after a minute at the latest, should the notification of its end be lost.
--
-- Example. Connections A to D were visited. A is locked by another worker: 'busy'. B is paused for 10 minutes:
-- 'paused', wait_ms 60,000. Of C 4 lanes were due, its cap allows 3, and 3 were taken: 'full'. All due lanes of D were
-- taken, and its next one is due in 8 s: 'clear', wait_ms 8,000, and the next look starts 5 s before now.
create or replace function queue_visits_found(
  p_connections uuid[], p_visits connection_visit[], p_taken uuid[], p_fitting uuid[], p_due uuid[],
  p_now timestamptz)
returns setof leased_job
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  return query
  select asked.id as connection_id, result.found,
    case result.found
      when 'paused' then
        (extract(epoch from least(visit.paused_until, p_now + interval '1 minute') - p_now) * 1000)::bigint
      when 'clear' then case when next.ready_at is not null then
        (greatest(extract(epoch from next.ready_at - p_now), 0.015) * 1000)::bigint end end as wait_ms,
    case when result.found = 'clear' then least(p_now - queue_floor_slack(), next.ready_at)
      else nullif(visit.ready_floor, '-infinity') end as ready_floor,
    visit.first_fence_floor, null::text as lane, null::bigint as fence, null::uuid as id, null::uuid as firm_id,
    null::text as kind, null::uuid as matter_id, null::uuid as upload_id, null::boolean as explicit,
    null::uuid as run_id, null::text[] as event_ids, waiting.priority, null::integer as attempts,
    null::integer as limited, null::bigint as age_ms, null::boolean as cancelled, null::text as waiting_for,
    null::bigint as waited_ms
  from unnest(p_connections) with ordinality asked(id, number)
  left join unnest(p_visits) visit on visit.connection_id = asked.id
  left join (
    select named.id, count(*) filter (where named.what = 'due') as due,
      count(*) filter (where named.what = 'fitting') as fitting,
      count(*) filter (where named.what = 'taken') as taken
    from (
      select 'due', due.id from unnest(p_due) due(id)
      union all
      select 'fitting', fitting.id from unnest(p_fitting) fitting(id)
      union all
      select 'taken', taken.id from unnest(p_taken) taken(id)) named(what, id)
    group by named.id) counted on counted.id = asked.id
  cross join lateral (
    select case
      when visit.connection_id is null then 'busy'
      when visit.paused_until is not null then 'paused'
      when counted.taken < counted.fitting then 'more'
      when counted.fitting < counted.due then 'full'
      else 'clear' end as found) result
  left join lateral (
    select min(first.ready_at) as ready_at
    from (values (0::smallint), (1::smallint), (2::smallint)) level(priority)
    cross join lateral (
      select lane.ready_at
      from lanes lane
      where lane.connection_id = asked.id and lane.priority = level.priority and lane.ready_at >= visit.ready_floor
        and not lane.suspect
      order by lane.ready_at
      limit 1) first
    where result.found = 'clear') next on true
  left join lateral (
    select lane.priority
    from lanes lane
    where result.found in ('full', 'more') and lane.connection_id = asked.id and lane.priority = 0
      and lane.ready_at >= visit.ready_floor and lane.ready_at <= p_now and not lane.suspect
    limit 1) waiting on true
  order by asked.number;
end $$;

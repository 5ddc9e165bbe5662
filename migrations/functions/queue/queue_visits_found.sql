-- What became of each visit, in their order; of a connection with nothing more to take it is looked up when its next lane becomes due. What is
-- due then and was not taken is locked by somebody, an enqueue for instance: it is looked for again in a moment, and the floor stays below it.
-- A pause is looked at again after a minute at the latest, should the notification of its end be lost.
create or replace function queue_visits_found(p_connections uuid[], p_visits connection_visit[], p_taken uuid[], p_fitting uuid[], p_due uuid[],
  p_now timestamptz) returns setof leased_job language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  return query
  select c.id, f.found,
    case f.found when 'paused' then (extract(epoch from least(v.paused_until, p_now + interval '1 minute') - p_now) * 1000)::bigint
                 when 'clear' then case when n.ready_at is not null then (greatest(extract(epoch from n.ready_at - p_now), 0.015) * 1000)::bigint end end,
    case when f.found = 'clear' then least(p_now - queue_floor_slack(), n.ready_at) else nullif(v.ready_floor, '-infinity') end, v.first_fence_floor,
    null::text, null::bigint, null::uuid, null::uuid, null::text, null::uuid, null::uuid, null::boolean, null::uuid, null::text[],
    w.priority, null::integer, null::integer, null::bigint, null::boolean, null::text, null::bigint
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

-- Locks due lanes of the visited connections and returns the keys of those to be taken: of each connection as many as it has capacity for, and
-- no more than p_limit in all, of which at most p_limit_others wait for no person. One lane more than there is capacity for is looked at, so that
-- it is known whether something is left. taken, fitting and due name a connection once for each lane that was taken, that its cap allows, and
-- that is due. Within a connection people come first, then events, then background; when background goes first,
-- one background lane comes before them.
create or replace function queue_choose_lanes(p_visits connection_visit[], p_now timestamptz, p_limit integer, p_limit_others integer, out chosen text[], out taken uuid[],
  out fitting uuid[], out due uuid[])
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  with candidates as (
    select v.connection_id, v.capacity, v.capacity_others, p.priority, l.key, l.ready_at, p.priority > 0 as other,
      v.background_first and p.priority = 2 and row_number() over (partition by v.connection_id, p.priority order by l.ready_at) = 1 as goes_first
    from unnest(p_visits) v cross join (values (0::smallint), (1::smallint), (2::smallint)) p(priority)
    cross join lateral (
      select l.key, l.ready_at from lanes l
      where l.connection_id = v.connection_id and l.priority = p.priority and l.ready_at >= v.ready_floor and l.ready_at <= p_now
      order by l.ready_at
      limit least(p_limit, greatest(case when p.priority = 0 then v.capacity else v.capacity_others end, 0)) + 1
      for update skip locked) l
    where v.paused_until is null),
  ranked as (
    select c.*, count(*) filter (where c.other) over (partition by c.connection_id order by c.goes_first desc, c.priority, c.ready_at, c.key) as nth_other
    from candidates c),
  allowed as (
    select r.*, r.capacity_others >= r.nth_other or not r.other as fits,
      count(*) filter (where r.capacity_others >= r.nth_other or not r.other)
        over (partition by r.connection_id order by r.goes_first desc, r.priority, r.ready_at, r.key) as rank
    from ranked r),
  within_cap as (
    select f.*, f.fits and f.rank <= f.capacity as within_cap,
      count(*) filter (where f.fits and f.rank <= f.capacity) over (order by f.other, f.rank, f.connection_id, f.key) as nth,
      count(*) filter (where f.other and f.fits and f.rank <= f.capacity) over (order by f.other, f.rank, f.connection_id, f.key) as others
    from allowed f)
  select array_agg(r.key) filter (where r.takes), array_agg(r.connection_id) filter (where r.takes),
      array_agg(r.connection_id) filter (where r.within_cap), array_agg(r.connection_id)
    into chosen, taken, fitting, due
  from (select y.*, y.within_cap and y.nth <= p_limit and y.others <= p_limit_others as takes from within_cap y) r;
end $$;

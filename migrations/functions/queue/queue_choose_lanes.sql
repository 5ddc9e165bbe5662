-- Locks due lanes of the visited connections and returns the keys of those to be taken.
-- Of each connection these are as many as it has capacity for. In all they are no more than p_limit, of which at most
-- p_limit_others wait for no person.
-- One lane more than there is capacity for is looked at, so that it is known whether more is due.
-- taken, fitting and due name a connection once for each lane that was taken, that its cap allows, and that is due.
-- Of suspect lanes and of all others, only those of the asked kind are looked at.
-- Within a connection people come first, then events, then background. When background goes first, one background lane
-- comes before them.
--
-- Example. A connection has capacity 4 and capacity_others 3; p_limit and p_limit_others are 10. Due are 1 lane that a
-- person waits for and 5 lanes of events. The person's lane and 4 event lanes are looked at and locked. chosen is the
-- person's lane and the 3 event lanes that became due first. taken and fitting name the connection 4 times, due 5.
create or replace function queue_choose_lanes(
  p_visits connection_visit[], p_now timestamptz, p_limit integer, p_limit_others integer, p_suspects boolean,
  out chosen text[], out taken uuid[], out fitting uuid[], out due uuid[])
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  with candidates as (
    select visit.connection_id, visit.capacity, visit.capacity_others, level.priority, ready.key, ready.ready_at,
      level.priority > 0 as other,
      visit.background_first and level.priority = 2
        and row_number() over (partition by visit.connection_id, level.priority order by ready.ready_at) = 1
        as goes_first
    from unnest(p_visits) visit
    cross join (values (0::smallint), (1::smallint), (2::smallint)) level(priority)
    cross join lateral (
      select lane.key, lane.ready_at
      from lanes lane
      where lane.connection_id = visit.connection_id and lane.priority = level.priority
        and lane.ready_at >= visit.ready_floor and lane.ready_at <= p_now
        and lane.suspect = p_suspects
      order by lane.ready_at
      limit least(
        p_limit,
        greatest(case when level.priority = 0 then visit.capacity else visit.capacity_others end, 0)) + 1
      for update skip locked) ready
    where visit.paused_until is null),
  ranked as (
    select candidate.*,
      count(*) filter (where candidate.other)
        over (
          partition by candidate.connection_id
          order by candidate.goes_first desc, candidate.priority, candidate.ready_at, candidate.key)
        as nth_other
    from candidates candidate),
  allowed as (
    select candidate.*,
      candidate.capacity_others >= candidate.nth_other or not candidate.other as fits,
      count(*) filter (where candidate.capacity_others >= candidate.nth_other or not candidate.other)
        over (
          partition by candidate.connection_id
          order by candidate.goes_first desc, candidate.priority, candidate.ready_at, candidate.key)
        as rank
    from ranked candidate),
  within_cap as (
    select candidate.*,
      candidate.fits and candidate.rank <= candidate.capacity as within_cap,
      count(*) filter (where candidate.fits and candidate.rank <= candidate.capacity)
        over (order by candidate.other, candidate.rank, candidate.connection_id, candidate.key)
        as nth,
      count(*) filter (where candidate.other and candidate.fits and candidate.rank <= candidate.capacity)
        over (order by candidate.other, candidate.rank, candidate.connection_id, candidate.key)
        as others
    from allowed candidate)
  select array_agg(candidate.key) filter (where candidate.takes),
      array_agg(candidate.connection_id) filter (where candidate.takes),
      array_agg(candidate.connection_id) filter (where candidate.within_cap),
      array_agg(candidate.connection_id)
    into chosen, taken, fitting, due
  from (
    select counted.*, counted.within_cap and counted.nth <= p_limit and counted.others <= p_limit_others as takes
    from within_cap counted) candidate;
end $$;

-- Visits connections and leases lanes of theirs. Returns a row for each job taken and a row for each visit.
--
-- Example. A worker with 1 free slot visits connections A and B. A's cap allows 2 jobs, and 2 of its lanes are due; B
-- is paused for 30 s. The worker gets 3 rows: the job of A's first lane ('taken'), the visit of A ('more': a lane that
-- A's cap allows was not taken), and the visit of B ('paused', wait_ms 30,000).
-- A worker that runs alone gets suspect lanes, one at a time, and no other worker gets them.
-- A worker whose lease has ended gets no row. Its row stays locked until the commit, so that no takeover deletes it
-- between this look and the commit: the lanes would be held by a worker that is not there, and found by nobody.
create or replace function queue_lease(
  p_worker uuid, p_limit integer, p_limit_others integer, p_connections uuid[], p_ready_floors timestamptz[],
  p_first_fence_floors bigint[], p_background_first boolean[])
returns setof leased_job
language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
declare
  v_now timestamptz := app_now();
  v_visits connection_visit[];
  v_chosen text[];
  v_taken uuid[];
  v_fitting uuid[];
  v_due uuid[];
  v_alone boolean;
begin
  select worker.alone into v_alone
  from workers worker
  where worker.id = p_worker and worker.alive_until > v_now
  for key share;
  if not found or v_alone and exists (
    select 1 from lanes lane where lane.suspect and lane.worker is not distinct from p_worker)
  then
    return;
  end if;
  select queue_open_visits(array_agg(visit::connection_visit)) into v_visits
  from (
    select asked.connection_id, coalesce(asked.ready_floor, '-infinity') as ready_floor, asked.first_fence_floor,
      asked.background_first, null::timestamptz as paused_until, 0 as capacity, 0 as capacity_others
    from unnest(p_connections, p_ready_floors, p_first_fence_floors, p_background_first)
      asked(connection_id, ready_floor, first_fence_floor, background_first)) visit;
  select choice.chosen, choice.taken, choice.fitting, choice.due into v_chosen, v_taken, v_fitting, v_due
  from queue_choose_lanes(
    v_visits, v_now, case when v_alone then 1 else p_limit end, p_limit_others, v_alone) choice;
  if v_chosen is not null then
    return query select * from queue_held_jobs(queue_hold_lanes(p_worker, queue_heads(v_chosen, null)), v_now);
  end if;
  return query select * from queue_visits_found(p_connections, v_visits, v_taken, v_fitting, v_due, v_now);
end $$;

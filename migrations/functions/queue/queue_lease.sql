-- Visits connections and leases lanes of theirs. A row for each job taken and a row for each visit.
create or replace function queue_lease(p_worker uuid, p_limit integer, p_limit_others integer, p_connections uuid[], p_ready_floors timestamptz[],
  p_first_fence_floors bigint[], p_background_first boolean[]) returns setof leased_job language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
declare
  v_now timestamptz := app_now();
  v_visits connection_visit[];
  v_chosen text[];
  v_taken uuid[];
  v_fitting uuid[];
  v_due uuid[];
begin
  perform 1 from workers w where w.id = p_worker and w.alive_until > v_now;
  if not found then
    return;
  end if;
  select queue_open_visits(array_agg((u.c, coalesce(u.r, '-infinity'), u.t, u.b, null, 0, 0)::connection_visit)) into v_visits
  from unnest(p_connections, p_ready_floors, p_first_fence_floors, p_background_first) u(c, r, t, b);
  select x.chosen, x.taken, x.fitting, x.due into v_chosen, v_taken, v_fitting, v_due from queue_choose_lanes(v_visits, v_now, p_limit, p_limit_others) x;
  if v_chosen is not null then
    return query select * from queue_held_jobs(queue_hold_lanes(p_worker, queue_heads(v_chosen, null)), v_now);
  end if;
  return query select * from queue_visits_found(p_connections, v_visits, v_taken, v_fitting, v_due, v_now);
end $$;

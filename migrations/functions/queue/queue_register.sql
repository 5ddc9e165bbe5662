-- Liveness: a worker's row is the lease of everything it holds.
-- A beat moves alive_until. A beat that finds its row gone means that another worker took over: the beating one must
-- drop all that it holds.
-- p_alone: it takes suspect lanes and nothing else. p_started_by: the worker on the same machine that has started it.
create or replace function queue_register(
  p_worker uuid, p_name text, p_lease_ms integer, p_alone boolean default false, p_started_by uuid default null)
returns void
language sql volatile as $$
  insert into workers (id, name, started_at, renewed_since, alive_until, lease_ms, alone, started_by)
  values (
    p_worker, p_name, app_now(), app_now(), app_now() + p_lease_ms * interval '1 ms', p_lease_ms, p_alone,
    p_started_by);
$$;

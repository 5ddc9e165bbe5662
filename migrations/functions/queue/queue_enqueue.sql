-- Appends jobs to their lanes, in the order given. Returns the connections of which a lane became ready: the caller
-- tells the workers.
--
-- Example. Lane A is idle with tail 5; lane B is held with tail 9. The jobs come in the order A, B, A. The tails become
-- 7 and 10. The jobs get seq 6 and 7 in A and seq 10 in B. A becomes ready now and B stays held, so A's connection
-- alone is returned.
create or replace function queue_enqueue(p_jobs jsonb) returns uuid[]
language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
declare
  v_now timestamptz := app_now();
  v_jobs new_job[];
  v_tails jsonb;
  v_ready uuid[];
begin
  select array_agg(given::new_job) into v_jobs from jsonb_populate_recordset(null::new_job, p_jobs) given;

  with incoming as (
    select given.lane, count(*) as jobs, min(given.priority) as priority, (array_agg(given.firm_id))[1] as firm_id,
      (array_agg(given.connection_id))[1] as connection_id
    from unnest(v_jobs) given
    group by given.lane),
  locked as (
    insert into lanes as lane (key, firm_id, connection_id, tail, priority, ready_at)
    select incoming.lane, incoming.firm_id, incoming.connection_id, incoming.jobs, incoming.priority, v_now
    from incoming
    order by incoming.lane
    on conflict (key) do update set
      tail = lane.tail + excluded.tail,
      -- Of a held lane it is when its job began.
      changed_at = case when lane.worker is null then clock_timestamp() else lane.changed_at end,
      priority = case
        when lane.ready_at is null and lane.worker is null then excluded.priority
        else least(lane.priority, excluded.priority) end,
      ready_at = case
        when lane.ready_at is null and lane.worker is null then excluded.ready_at
        else lane.ready_at end
    returning lane.key, lane.tail, lane.connection_id, lane.ready_at, lane.priority)
  -- Told are the connections of lanes that became ready, and of ready ones that a person now waits for.
  select jsonb_object_agg(locked.key, locked.tail),
      array_agg(distinct locked.connection_id)
        filter (where locked.ready_at = v_now or locked.ready_at < v_now and locked.priority = 0)
    into v_tails, v_ready
  from locked;

  -- The counters have moved by as many jobs as came: a lane's first one comes right behind what was there.
  select array_agg(placed::new_job order by numbered.place) into v_jobs
  from (
    select given.*, row_number() over (partition by given.lane order by given.place) as nth,
      count(*) over (partition by given.lane) as jobs
    from unnest(v_jobs) with ordinality
      given(id, firm_id, connection_id, lane, kind, priority, matter_id, upload_id, explicit, run_id, dedupe_key,
        event_ids, seq, note_join, place)) numbered
  cross join lateral (
    select numbered.id, numbered.firm_id, numbered.connection_id, numbered.lane, numbered.kind, numbered.priority,
      numbered.matter_id, numbered.upload_id, coalesce(numbered.explicit, false) as explicit, numbered.run_id,
      numbered.dedupe_key, coalesce(numbered.event_ids, '{}') as event_ids,
      (v_tails->>numbered.lane)::bigint - numbered.jobs + numbered.nth as seq,
      true as note_join) placed;
  perform queue_place(v_jobs);
  return coalesce(v_ready, '{}');
end $$;

-- Appends jobs to their lanes, in the order given. Returns the connections of which a lane became ready: the caller tells the workers.
create or replace function queue_enqueue(p_jobs jsonb) returns uuid[] language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
declare
  v_now timestamptz := app_now();
  v_jobs new_job[];
  v_tails jsonb;
  v_ready uuid[];
begin
  select array_agg(r::new_job) into v_jobs from jsonb_populate_recordset(null::new_job, p_jobs) r;

  with incoming as (
    select n.lane, count(*) as jobs, min(n.priority) as priority, (array_agg(n.firm_id))[1] as firm_id, (array_agg(n.connection_id))[1] as connection_id
    from unnest(v_jobs) n group by n.lane),
  locked as (
    insert into lanes as l (key, firm_id, connection_id, tail, priority, ready_at)
    select i.lane, i.firm_id, i.connection_id, i.jobs, i.priority, v_now from incoming i order by i.lane
    on conflict (key) do update set tail = l.tail + excluded.tail, changed_at = clock_timestamp(),
      priority = case when l.ready_at is null and l.worker is null then excluded.priority else least(l.priority, excluded.priority) end,
      ready_at = case when l.ready_at is null and l.worker is null then excluded.ready_at else l.ready_at end
    returning l.key, l.tail, l.connection_id, l.ready_at, l.priority)
  -- Told are the connections of lanes that became ready, and of ready ones that a person now waits for.
  select jsonb_object_agg(k.key, k.tail), array_agg(distinct k.connection_id) filter (where k.ready_at = v_now or k.ready_at < v_now and k.priority = 0)
    into v_tails, v_ready from locked k;

  -- The counters have moved by as many jobs as came: a lane's first one comes right behind what was there.
  select array_agg((n.id, n.firm_id, n.connection_id, n.lane, n.kind, n.priority, n.matter_id, n.upload_id, coalesce(n.explicit, false), n.run_id,
      n.dedupe_key, coalesce(n.event_ids, '{}'), (v_tails->>n.lane)::bigint - n.jobs + n.nth, true)::new_job order by n.o)
    into v_jobs
    from (select u.*, row_number() over (partition by u.lane order by u.o) as nth, count(*) over (partition by u.lane) as jobs
          from unnest(v_jobs) with ordinality u(id, firm_id, connection_id, lane, kind, priority, matter_id, upload_id, explicit, run_id,
            dedupe_key, event_ids, seq, note_join, o)) n;
  perform queue_place(v_jobs);
  return coalesce(v_ready, '{}');
end $$;

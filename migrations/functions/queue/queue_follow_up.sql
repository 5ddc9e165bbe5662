-- Appends what a finished job asks for behind itself, in its own lane, whose lock the caller holds.
create or replace function queue_follow_up(p_ended ended_job) returns void language plpgsql volatile as $$
declare
  v_tail bigint;
  v_jobs new_job[];
begin
  select l.tail into v_tail from lanes l where l.key = p_ended.lane;
  if p_ended.requeue_code is not null then
    v_tail := queue_requeue_failed(p_ended.lane, p_ended.requeue_code, v_tail, p_ended.run_id);
  end if;
  select array_agg((n.id, n.firm_id, n.connection_id, n.lane, n.kind, n.priority, n.matter_id, n.upload_id, coalesce(n.explicit, false), n.run_id,
      n.dedupe_key, coalesce(n.event_ids, '{}'), v_tail + n.o, false)::new_job)
    into v_jobs
    from (select r.*, row_number() over () as o from jsonb_populate_recordset(null::new_job, p_ended.follow_ups) r) n;
  if v_jobs is not null then
    perform queue_place(v_jobs);
  end if;
  update lanes l set tail = v_tail + coalesce(cardinality(v_jobs), 0) where l.key = p_ended.lane;
end $$;

-- Appends what a finished job asks for behind itself, in its own lane, whose lock the caller holds.
--
-- Example. A lane has tail 9; its job asks for 2 follow-ups and for a requeue of code 'x', under which 1 job of the
-- lane has failed. The failed job comes back with seq 10; the follow-ups get seq 11 and 12. The tail becomes 12.
create or replace function queue_follow_up(p_ended ended_job) returns void language plpgsql volatile as $$
declare
  v_tail bigint;
  v_jobs new_job[];
begin
  select lane.tail into v_tail from lanes lane where lane.key = p_ended.lane;
  if p_ended.requeue_code is not null then
    v_tail := queue_requeue_failed(p_ended.lane, p_ended.requeue_code, v_tail, p_ended.run_id);
  end if;
  select array_agg(placed::new_job) into v_jobs
  from (
    select wanted.id, wanted.firm_id, wanted.connection_id, wanted.lane, wanted.kind, wanted.priority,
      wanted.matter_id, wanted.upload_id, coalesce(wanted.explicit, false) as explicit, wanted.run_id,
      wanted.dedupe_key, coalesce(wanted.event_ids, '{}') as event_ids, v_tail + row_number() over () as seq,
      false as note_join
    from jsonb_populate_recordset(null::new_job, p_ended.follow_ups) wanted) placed;
  if v_jobs is not null then
    perform queue_place(v_jobs);
  end if;
  update lanes lane set tail = v_tail + coalesce(cardinality(v_jobs), 0) where lane.key = p_ended.lane;
end $$;

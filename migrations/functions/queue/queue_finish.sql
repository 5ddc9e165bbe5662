-- Returns a row for each outcome written: its lane and fence, whether the lane is ready now and a person waits for it,
-- and the next job where the worker went on.
--
-- Example. A worker sends 3 outcomes, each with effect 'delete' and continue_lane. Lane A's next job is due: A's row
-- names it and next_fence, and ready is false. Lane B has no other job: B goes idle, and its row has ready false and no
-- job (id null). Lane C was taken over, so the fence is stale: nothing is written for C, and C has no row.
create or replace function queue_finish(p_worker uuid, p_outcomes jsonb)
returns table (
  lane text, fence bigint, connection_id uuid, ready boolean, person boolean, next_fence bigint, id uuid, firm_id uuid,
  kind text, matter_id uuid, upload_id uuid, explicit boolean, run_id uuid, event_ids text[], priority smallint,
  attempts integer, limited integer, age_ms bigint, cancelled boolean, waiting_for text, waited_ms bigint)
language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  v_now timestamptz := app_now();
  v_held job_outcome[];
  v_ended ended_job[];
  v_freed freed_lane[];
  v_lanes text[];
  v_gone bigint[];
  v_one ended_job;
begin
  v_held := queue_lock_held(p_worker, p_outcomes);
  if v_held is null then
    return;
  end if;
  v_ended := queue_write_outcomes(v_held, v_now);
  for v_one in
    select ended.*
    from unnest(v_ended) ended
    where ended.effect <> 'later' and (ended.follow_ups is not null or ended.requeue_code is not null)
  loop
    perform queue_follow_up(v_one);
  end loop;
  select array_agg(ended.lane), array_agg(case when ended.effect <> 'later' then ended.seq end) into v_lanes, v_gone
  from unnest(v_ended) ended;
  -- By now: what has just followed is due.
  v_freed := queue_free_lanes(v_ended, queue_heads(v_lanes, v_gone), app_now());
  return query
  select freed.lane, freed.fence, freed.connection_id, freed.ready, freed.person, freed.running_fence, job.id,
    job.firm_id, job.kind, job.matter_id, job.upload_id, job.explicit, job.run_id, job.event_ids, job.priority,
    job.attempts, job.limited, coalesce((extract(epoch from v_now - job.started_at) * 1000)::bigint, 0),
    job.cancelled_at is not null, job.waiting_for, (extract(epoch from v_now - job.waiting_since) * 1000)::bigint
  from unnest(v_freed) freed
  left join lateral (select job.* from jobs job where job.id = freed.running_job limit 1) job on true;
  perform queue_touch_connections(v_held);
end $$;

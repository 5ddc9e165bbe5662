-- Returns a row for each outcome written: its lane and fence, whether the lane is ready now and a person waits for it, and the next job where
-- the worker went on.
create or replace function queue_finish(p_worker uuid, p_outcomes jsonb) returns table (
  lane text, fence bigint, connection_id uuid, ready boolean, person boolean, next_fence bigint, id uuid, firm_id uuid, kind text, matter_id uuid, upload_id uuid,
  explicit boolean, run_id uuid, event_ids text[], priority smallint, attempts integer, limited integer, age_ms bigint, cancelled boolean,
  waiting_for text, waited_ms bigint)
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
  for v_one in select e.* from unnest(v_ended) e where e.effect <> 'later' and (e.follow_ups is not null or e.requeue_code is not null) loop
    perform queue_follow_up(v_one);
  end loop;
  select array_agg(e.lane), array_agg(case when e.effect <> 'later' then e.seq end) into v_lanes, v_gone from unnest(v_ended) e;
  -- By now: what has just followed is due.
  v_freed := queue_free_lanes(v_ended, queue_heads(v_lanes, v_gone), app_now());
  return query
    select f.lane, f.fence, f.connection_id, f.ready, f.person, f.running_fence, j.id, j.firm_id, j.kind, j.matter_id, j.upload_id, j.explicit, j.run_id,
      j.event_ids, j.priority, j.attempts, j.limited, coalesce((extract(epoch from v_now - j.started_at) * 1000)::bigint, 0), j.cancelled_at is not null,
      j.waiting_for, (extract(epoch from v_now - j.waiting_since) * 1000)::bigint
    from unnest(v_freed) f left join lateral (select x.* from jobs x where x.id = f.running_job limit 1) j on true;
  perform queue_touch_connections(v_held);
end $$;

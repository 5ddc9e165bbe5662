-- The running jobs of held lanes, as a worker gets them.
create or replace function queue_held_jobs(p_lanes text[], p_now timestamptz) returns setof leased_job
language plpgsql volatile set enable_seqscan = off as $$
begin
  return query
  select job.connection_id, 'taken' as found, null::bigint as wait_ms, null::timestamptz as ready_floor,
    null::bigint as first_fence_floor, held.lane, lane.fence, job.id, job.firm_id, job.kind, job.matter_id,
    job.upload_id, job.explicit, job.run_id, job.event_ids, job.priority, job.attempts, job.limited,
    coalesce((extract(epoch from p_now - job.started_at) * 1000)::bigint, 0) as age_ms,
    job.cancelled_at is not null as cancelled, job.waiting_for,
    (extract(epoch from p_now - job.waiting_since) * 1000)::bigint as waited_ms
  from unnest(p_lanes) held(lane)
  cross join lateral (select lane.fence, lane.running_job from lanes lane where lane.key = held.lane limit 1) lane
  cross join lateral (select job.* from jobs job where job.id = lane.running_job limit 1) job;
end $$;

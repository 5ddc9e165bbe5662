-- The running jobs of held lanes, as a worker gets them.
create or replace function queue_held_jobs(p_lanes text[], p_now timestamptz) returns setof leased_job language plpgsql volatile set enable_seqscan = off as $$
begin
  return query
  select j.connection_id, 'taken', null::bigint, null::timestamptz, null::bigint, k.lane, l.fence, j.id, j.firm_id, j.kind, j.matter_id, j.upload_id,
    j.explicit, j.run_id, j.event_ids, j.priority, j.attempts, j.limited,
    coalesce((extract(epoch from p_now - j.started_at) * 1000)::bigint, 0), j.cancelled_at is not null, j.waiting_for,
    (extract(epoch from p_now - j.waiting_since) * 1000)::bigint
  from unnest(p_lanes) k(lane)
  cross join lateral (select x.fence, x.running_job from lanes x where x.key = k.lane limit 1) l
  cross join lateral (select x.* from jobs x where x.id = l.running_job limit 1) j;
end $$;

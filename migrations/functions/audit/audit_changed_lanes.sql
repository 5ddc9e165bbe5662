-- The lanes that may have changed since a pass that began at p_since, at fence p_fence, with p_held held. These are the
-- lanes held then and now, those that went idle since, those of jobs that came since, and those of jobs that ran since
-- and are still there. At most p_limit of each of the last three kinds, the newest: the full audit sees what is beyond.
--
-- Example. The last pass began at fence 90, while lane A was held. Since then A has become ready, lane B was leased
-- under fence 95 and has gone idle, and a job came for lane C. A is named because it was held then, B because its first
-- fence is above 90, C because of its new job. Lane D, which has been idle since fence 80 and got no job, is not named.
create or replace function audit_changed_lanes(p_since timestamptz, p_fence bigint, p_held text[], p_limit integer)
returns setof text
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_since timestamptz := coalesce(p_since, 'epoch') - interval '1 minute';
  v_first uuid := audit_first_id(v_since);
begin
  return query
  select unnest(p_held)
  union
  select lane.key from lanes lane where lane.worker is not null
  union
  (select lane.key
   from lanes lane
   where lane.ready_at is null and lane.worker is null and lane.first_fence > p_fence
   order by lane.first_fence desc
   limit p_limit)
  union
  (select job.lane from jobs job where job.id >= v_first order by job.id desc limit p_limit)
  union
  select job.lane
  from (
    select attempt.job_id
    from attempts attempt
    where attempt.started_at >= v_since
    order by attempt.started_at desc
    limit p_limit) ran
  cross join lateral (select job.lane from jobs job where job.id = ran.job_id limit 1) job;
end $$;

-- Ends jobs that were cancelled while they ran and that their last call postponed. Such a job would wait for its time
-- only to be skipped.
create or replace function queue_end_cancelled(p_limit integer) returns uuid[]
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_jobs uuid[];
  v_lanes text[];
  v_job uuid;
begin
  select array_agg(cancelled.id) into v_jobs
  from (
    select job.id
    from jobs job
    where job.state = 'queued' and job.cancelled_at is not null
    order by job.id
    limit p_limit) cancelled;
  if v_jobs is null then
    return '{}';
  end if;
  v_lanes := queue_lock_lanes_of(v_jobs);
  for v_job in
    select job.id
    from unnest(v_jobs) cancelled(id)
    cross join lateral (select job.* from jobs job where job.id = cancelled.id limit 1) job
    where job.state = 'queued' and job.cancelled_at is not null
      and not exists (select 1 from lanes lane where lane.key = job.lane and lane.running_job = job.id)
  loop
    perform queue_drop_job(v_job, 'cancelled', '{}');
  end loop;
  return queue_refresh_lanes(v_lanes);
end $$;

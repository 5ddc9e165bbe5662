-- A job that was cancelled while it ran and was postponed by its last call would wait for its time only to be skipped: it ends now.
create or replace function queue_end_cancelled(p_limit integer) returns uuid[] language plpgsql volatile set enable_seqscan = off as $$
declare
  v_jobs uuid[];
  v_lanes text[];
  v_job uuid;
begin
  select array_agg(x.id) into v_jobs from (
    select j.id from jobs j where j.state = 'queued' and j.cancelled_at is not null order by j.id limit p_limit) x;
  if v_jobs is null then
    return '{}';
  end if;
  v_lanes := queue_lock_lanes_of(v_jobs);
  for v_job in
    select j.id from unnest(v_jobs) k(id) cross join lateral (select x.* from jobs x where x.id = k.id limit 1) j
    where j.state = 'queued' and j.cancelled_at is not null and not exists (select 1 from lanes l where l.key = j.lane and l.running_job = j.id)
  loop
    perform queue_drop_job(v_job, 'cancelled', '{}');
  end loop;
  return queue_refresh_lanes(v_lanes);
end $$;

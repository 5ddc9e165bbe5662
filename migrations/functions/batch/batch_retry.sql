-- Retries chosen jobs. Those of a batch that has been cancelled meanwhile are not touched. Returns the connections with
-- a lane that is due.
create or replace function batch_retry(p_chosen batch_jobs[]) returns uuid[]
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_lanes text[] := queue_lock_lanes_of(array(select chosen.job_id from unnest(p_chosen) chosen));
  v_running uuid[];
begin
  select array_agg(running.id) into v_running
  from (
    select batch.id
    from batches batch
    where batch.id in (select chosen.batch_id from unnest(p_chosen) chosen) and batch.state = 'running'
    order by batch.id
    for update) running;
  perform queue_requeue(
    array(
      select chosen.job_id
      from unnest(p_chosen) chosen
      where chosen.batch_id = any(v_running)
      order by chosen.batch_id, chosen.position),
    2::smallint);
  update batch_jobs batch_job set retried_at = app_now()
  from unnest(p_chosen) chosen
  where batch_job.batch_id = chosen.batch_id and batch_job.position = chosen.position
    and chosen.batch_id = any(v_running);
  return queue_refresh_lanes(v_lanes);
end $$;

-- Retries chosen jobs; those of a batch that has been cancelled meanwhile are left alone. Returns the connections with a lane that is due.
create or replace function batch_retry(p_chosen batch_jobs[]) returns uuid[] language plpgsql volatile set enable_seqscan = off as $$
declare
  v_lanes text[] := queue_lock_lanes_of(array(select c.job_id from unnest(p_chosen) c));
  v_running uuid[];
begin
  select array_agg(x.id) into v_running from (
    select b.id from batches b where b.id in (select c.batch_id from unnest(p_chosen) c) and b.state = 'running' order by b.id for update) x;
  perform queue_requeue(array(select c.job_id from unnest(p_chosen) c where c.batch_id = any(v_running) order by c.batch_id, c.position), 2::smallint);
  update batch_jobs b set retried_at = app_now() from unnest(p_chosen) c
  where b.batch_id = c.batch_id and b.position = c.position and c.batch_id = any(v_running);
  return queue_refresh_lanes(v_lanes);
end $$;

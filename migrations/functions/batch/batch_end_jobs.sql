-- Counts retried jobs that have ended, and lets go of them.
--
-- Example. A batch has retried 5 jobs. 2 are done, 1 has failed again, 1 has become 'skipped', and 1 waits. The batch's
-- succeeded grows by 2, failed by 1 and skipped by 1. These 4 go from batch_jobs, and the answer is 4.
create or replace function batch_end_jobs(p_limit integer) returns integer
language plpgsql volatile set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_ended integer;
begin
  with ended as materialized (
    select batch_job.batch_id, batch_job.position, batch_job.job_id
    from batch_jobs batch_job
    where batch_job.retried_at is not null
      and not exists (select 1 from jobs job where job.id = batch_job.job_id and job.state <> 'failed')
    limit p_limit),
  told as (
    select ended.batch_id, history.status
    from ended
    left join lateral (
      select log.status from integration_sync_logs log where log.id = ended.job_id
      union all
      select entry.status from activity entry where entry.id = ended.job_id
      limit 1) history on true),
  gone as (
    delete from batch_jobs batch_job
    using ended
    where batch_job.batch_id = ended.batch_id and batch_job.position = ended.position
    returning batch_job.batch_id),
  counted as (
    update batches batch set
      succeeded = batch.succeeded + sums.succeeded,
      failed = batch.failed + sums.failed,
      skipped = batch.skipped + sums.others
    from (
      select told.batch_id,
        count(*) filter (where told.status = 'success') as succeeded,
        count(*) filter (where told.status = 'failed') as failed,
        count(*) filter (where told.status is null or told.status not in ('success', 'failed')) as others
      from told
      group by told.batch_id) sums
    where batch.id = sums.batch_id)
  select count(*) into v_ended from gone;
  return v_ended;
end $$;

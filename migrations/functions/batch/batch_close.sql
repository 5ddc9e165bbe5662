-- Lets go of the jobs that a cancelled batch has not retried, and closes batches that have no job left.
create or replace function batch_close(p_limit integer) returns void
language plpgsql volatile set enable_seqscan = off as $$
begin
  delete from batch_jobs batch_job
  using (
    select waiting.batch_id, waiting.position
    from batches batch
    cross join lateral (
      select member.batch_id, member.position
      from batch_jobs member
      where member.batch_id = batch.id and member.retried_at is null
      limit p_limit) waiting
    where batch.finished_at is null and batch.state = 'cancelled'
    limit p_limit) dropped
  where batch_job.batch_id = dropped.batch_id and batch_job.position = dropped.position;
  update batches batch set
    finished_at = app_now(),
    state = case batch.state when 'running' then 'done' else batch.state end
  where batch.finished_at is null
    and not exists (select 1 from batch_jobs batch_job where batch_job.batch_id = batch.id);
  delete from batches batch where batch.finished_at < app_now() - interval '90 days';
end $$;

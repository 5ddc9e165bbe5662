-- Counts retried jobs that have ended, and lets go of them.
create or replace function batch_end_jobs(p_limit integer) returns integer language plpgsql volatile
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_ended integer;
begin
  with ended as materialized (
    select b.batch_id, b.position, b.job_id from batch_jobs b
    where b.retried_at is not null and not exists (select 1 from jobs j where j.id = b.job_id and j.state <> 'failed')
    limit p_limit),
  told as (
    select e.batch_id, g.status from ended e left join lateral (
      select s.status from integration_sync_logs s where s.id = e.job_id
      union all select a.status from activity a where a.id = e.job_id limit 1) g on true),
  gone as (delete from batch_jobs b using ended e where b.batch_id = e.batch_id and b.position = e.position returning b.batch_id),
  counted as (
    update batches b set succeeded = b.succeeded + c.succeeded, failed = b.failed + c.failed, skipped = b.skipped + c.others
    from (select t.batch_id, count(*) filter (where t.status = 'success') as succeeded, count(*) filter (where t.status = 'failed') as failed,
            count(*) filter (where t.status is null or t.status not in ('success', 'failed')) as others
          from told t group by t.batch_id) c
    where b.id = c.batch_id)
  select count(*) into v_ended from gone;
  return v_ended;
end $$;

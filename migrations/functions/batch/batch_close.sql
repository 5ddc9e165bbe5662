-- Lets go of what a cancelled batch has not begun, and closes batches that have nothing left.
create or replace function batch_close(p_limit integer) returns void language plpgsql volatile set enable_seqscan = off as $$
begin
  delete from batch_jobs b using (
    select x.batch_id, x.position from batches t cross join lateral (
      select w.batch_id, w.position from batch_jobs w where w.batch_id = t.id and w.retried_at is null limit p_limit) x
    where t.finished_at is null and t.state = 'cancelled' limit p_limit) d
  where b.batch_id = d.batch_id and b.position = d.position;
  update batches b set finished_at = app_now(), state = case b.state when 'running' then 'done' else b.state end
  where b.finished_at is null and not exists (select 1 from batch_jobs w where w.batch_id = b.id);
  delete from batches b where b.finished_at < app_now() - interval '90 days';
end $$;

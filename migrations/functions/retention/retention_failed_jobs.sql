-- A failed job stands in no lane's order any more: its going moves no lane. Its log row stays and says what happened.
create or replace function retention_failed_jobs(p_from tid, p_to tid, p_before timestamptz) returns bigint
language plpgsql volatile set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_gone bigint;
begin
  delete from jobs job
  where job.ctid >= p_from and job.ctid < p_to and job.state = 'failed' and job.failed_at < p_before;
  get diagnostics v_gone = row_count;
  return v_gone;
end $$;

-- How each walk's rows are found and their kin deleted: by place and by key, nothing else (bitmap scans cannot run
-- without a key). Attempts go with their log row, of either history. A log row stays as long as its job is there.
create or replace function retention_history(
  p_table regclass, p_from tid, p_to tid, p_before timestamptz, p_sealed_before timestamptz)
returns bigint
language plpgsql volatile set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_gone uuid[];
begin
  execute format('
    update %s log set details = log.details - ''provider_words''
    where log.ctid >= $1 and log.ctid < $2 and log.finished_at < $3 and log.details ? ''provider_words''', p_table)
    using p_from, p_to, p_sealed_before;
  execute format('
    with gone as (
      delete from %s log
      where log.ctid >= $1 and log.ctid < $2 and log.finished_at < $3
        and (select job.id from jobs job where job.id = log.id) is null
      returning log.id)
    select array_agg(gone.id) from gone', p_table)
    into v_gone using p_from, p_to, p_before;
  delete from attempts attempt where attempt.job_id = any(v_gone);
  return coalesce(cardinality(v_gone), 0);
end $$;

-- How each walk's rows are found and their kin deleted: by place and by key, nothing else (bitmap scans cannot run without a key).
-- Attempts go with their log row, of either history. A log row stays as long as its job is there.
create or replace function retention_history(p_table regclass, p_from tid, p_to tid, p_before timestamptz, p_sealed_before timestamptz) returns bigint
language plpgsql volatile set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_gone uuid[];
begin
  execute format('
    update %s g set details = g.details - ''provider_words''
    where g.ctid >= $1 and g.ctid < $2 and g.finished_at < $3 and g.details ? ''provider_words''', p_table)
    using p_from, p_to, p_sealed_before;
  execute format('
    with gone as (
      delete from %s g
      where g.ctid >= $1 and g.ctid < $2 and g.finished_at < $3 and (select j.id from jobs j where j.id = g.id) is null returning g.id)
    select array_agg(g.id) from gone g', p_table)
    into v_gone using p_from, p_to, p_before;
  delete from attempts a where a.job_id = any(v_gone);
  return coalesce(cardinality(v_gone), 0);
end $$;

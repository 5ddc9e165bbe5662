-- Jobs that came since, the newest first. A minute is allowed for clocks that differ and transactions that last.
create or replace function audit_new_jobs(p_since timestamptz, p_limit integer) returns setof uuid
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_first uuid := audit_first_id(coalesce(p_since, 'epoch') - interval '1 minute');
begin
  return query select job.id from jobs job where job.id >= v_first order by job.id desc limit p_limit;
end $$;

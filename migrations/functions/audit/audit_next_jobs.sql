create or replace function audit_next_jobs(p_after uuid, p_limit integer) returns setof uuid language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  return query select job.id from jobs job where job.id > p_after order by job.id limit p_limit;
end $$;

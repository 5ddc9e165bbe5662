create or replace function audit_next_jobs(p_after uuid, p_limit integer) returns setof uuid language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  return query select j.id from jobs j where j.id > p_after order by j.id limit p_limit;
end $$;

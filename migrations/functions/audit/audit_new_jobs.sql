-- Jobs that came since, the newest first. A minute is allowed for clocks that differ and transactions that last.
create or replace function audit_new_jobs(p_since timestamptz, p_limit integer) returns setof uuid language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_first uuid := audit_first_id(coalesce(p_since, 'epoch') - interval '1 minute');
begin
  return query select j.id from jobs j where j.id >= v_first order by j.id desc limit p_limit;
end $$;

-- The next lanes in key order, and the next jobs in id order.
create or replace function audit_next_lanes(p_after text, p_limit integer) returns setof text language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  return query select l.key from lanes l where l.key > p_after order by l.key limit p_limit;
end $$;

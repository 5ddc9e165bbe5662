-- The next lanes in key order, and the next jobs in id order.
create or replace function audit_next_lanes(p_after text, p_limit integer) returns setof text language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  return query select lane.key from lanes lane where lane.key > p_after order by lane.key limit p_limit;
end $$;

create or replace function retention_webhook_events(p_from tid, p_to tid, p_before timestamptz) returns bigint language plpgsql volatile
set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_gone bigint;
begin
  delete from webhook_events e where e.ctid >= p_from and e.ctid < p_to and e.received_at < p_before;
  get diagnostics v_gone = row_count;
  return v_gone;
end $$;

create or replace function retention_webhook_events(p_from tid, p_to tid, p_before timestamptz) returns bigint
language plpgsql volatile set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_gone bigint;
begin
  delete from webhook_events event
  where event.ctid >= p_from and event.ctid < p_to and event.received_at < p_before;
  get diagnostics v_gone = row_count;
  return v_gone;
end $$;

-- Stops a batch: what it has made ready goes on, what it has not stays failed. False when it is not there or has ended.
create or replace function batch_cancel(p_firm uuid, p_batch uuid, p_author text) returns boolean language plpgsql volatile as $$
begin
  update batches b set state = 'cancelled', cancelled_by = p_author
  where b.id = p_batch and (p_firm is null or b.firm_id = p_firm) and b.state = 'running';
  return found;
end $$;

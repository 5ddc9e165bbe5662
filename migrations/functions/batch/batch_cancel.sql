-- Stops a batch: the jobs that it has retried go on, the others stay failed. False when it is not there or has ended.
create or replace function batch_cancel(p_firm uuid, p_batch uuid, p_author text) returns boolean
language plpgsql volatile as $$
begin
  update batches batch set state = 'cancelled', cancelled_by = p_author
  where batch.id = p_batch and (p_firm is null or batch.firm_id = p_firm) and batch.state = 'running';
  return found;
end $$;

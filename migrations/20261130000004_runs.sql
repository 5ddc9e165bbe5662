-- integration_sync_logs: requeued_by is the run whose success brought the row's job back. The row keeps its own run,
-- which the event or the caller was told; a caller who waits for the other run waits for it too.
alter table integration_sync_logs add column requeued_by uuid;
create index integration_sync_logs_requeued on integration_sync_logs (requeued_by) where requeued_by is not null;

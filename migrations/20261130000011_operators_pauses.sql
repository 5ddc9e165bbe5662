-- pauses: 'operator' is a pause by an operator, beside one that the firm's own admins have set ('paused'): a firm
-- neither lifts it nor sees who set it and why.
alter table pauses drop constraint pauses_reason_check;
alter table pauses add constraint pauses_reason_check check (
  reason in ('paused', 'operator', 'retry_after', 'breaker', 'needs_reconnect', 'misconfigured'));
update pauses set reason = 'operator'
where reason = 'paused' and (scope = 'all' or scope like 'platform:%' or scope like 'region:%');

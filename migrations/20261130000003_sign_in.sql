-- firm_integrations: refused_version is the version of the tokens whose access token the platform refused: it is not
-- used again. refusals counts how often in a row the platform refused a token that it had just given out, refused_at
-- says when it did so last. parked_by: why a person has to reconnect: the grant is gone ('grant', or null where an
-- older worker wrote it), or such refusals went on ('refusals'), after which the platform is asked again each hour.
alter table firm_integrations
  add column refused_version bigint,
  add column refusals smallint not null default 0,
  add column refused_at timestamptz,
  add column parked_by text check (parked_by in ('grant', 'refusals'));

-- jobs: 'sign_in' waits for another job's renewal of the token; 'misconfigured' for an operator.
alter table jobs drop constraint jobs_waiting_for_check;
alter table jobs add constraint jobs_waiting_for_check check (waiting_for in (
  'retry', 'limited', 'paused', 'provider', 'contact', 'doubt', 'shutdown', 'needs_reconnect', 'newer_worker',
  'sign_in', 'misconfigured'));

-- pauses: 'misconfigured' while a platform refuses CaseHug's own credentials, or no key opens a connection's tokens.
alter table pauses drop constraint pauses_reason_check;
alter table pauses add constraint pauses_reason_check check (
  reason in ('paused', 'retry_after', 'breaker', 'needs_reconnect', 'misconfigured'));

-- pauses: tried is the connection of the breaker's last try: the next one is another connection's.
alter table pauses add column tried uuid;

-- workers: renewed_since is since when no beat has come late. Only a worker whose beats have come in time for one lease
-- takes lanes from others: after an outage all workers look dead to the first that comes back.
alter table workers add column renewed_since timestamptz not null default app_now();

-- Checks all held lanes against each other.
--
-- Example. Lanes A and B both hold job 7: A and B have a row 'held_twice' each. Connection C has cap 1, and 2 lanes of
-- C are held, neither of them transferring: C has one row 'above_cap', without lane and job.
create or replace function audit_held() returns setof audit_finding
language plpgsql volatile set enable_seqscan = off as $$
begin
  return query
  with held as (
    select lane.key, lane.running_job, lane.connection_id, lane.fence, lane.transferring
    from lanes lane
    where lane.worker is not null),
  twice as (
    select held.running_job
    from held
    group by held.running_job
    having count(*) > 1),
  crowded as (
    select held.connection_id
    from held
    cross join lateral (
      select integration.platform
      from firm_integrations integration
      where integration.id = held.connection_id
      limit 1) connection
    group by held.connection_id
    having count(*) filter (where not held.transferring) > queue_cap(min(connection.platform))
      or count(*) filter (where held.transferring) > 1)
  select 'held_twice', held.key, held.running_job, held.connection_id, held.fence
  from held
  join twice on twice.running_job = held.running_job
  union all
  select 'above_cap', null, null, crowded.connection_id, null from crowded;
end $$;

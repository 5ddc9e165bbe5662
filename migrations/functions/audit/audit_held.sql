-- Checks all held lanes against each other.
create or replace function audit_held() returns setof audit_finding language plpgsql volatile set enable_seqscan = off as $$
begin
  return query
  with held as (select l.key, l.running_job, l.connection_id, l.fence, l.transferring from lanes l where l.worker is not null),
  twice as (select h.running_job from held h group by h.running_job having count(*) > 1),
  crowded as (
    select h.connection_id from held h
    cross join lateral (select i.platform from firm_integrations i where i.id = h.connection_id limit 1) i
    group by h.connection_id
    having count(*) filter (where not h.transferring) > queue_cap(min(i.platform)) or count(*) filter (where h.transferring) > 1)
  select 'held_twice', h.key, h.running_job, h.connection_id, h.fence from held h join twice t on t.running_job = h.running_job
  union all
  select 'above_cap', null, null, c.connection_id, null from crowded c;
end $$;

-- The lanes that may have changed since a pass that began at p_since, at fence p_fence, with p_held held: those held then and now, those
-- that went idle since, those of jobs that came since, and those of jobs that ran since and are still there. At most p_limit of each of
-- the last three kinds, the newest: what is beyond is seen by the full audit.
create or replace function audit_changed_lanes(p_since timestamptz, p_fence bigint, p_held text[], p_limit integer) returns setof text
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_since timestamptz := coalesce(p_since, 'epoch') - interval '1 minute';
  v_first uuid := audit_first_id(v_since);
begin
  return query
  select unnest(p_held)
  union
  select l.key from lanes l where l.worker is not null
  union
  (select l.key from lanes l where l.ready_at is null and l.worker is null and l.first_fence > p_fence order by l.first_fence desc limit p_limit)
  union
  (select j.lane from jobs j where j.id >= v_first order by j.id desc limit p_limit)
  union
  select j.lane from (select a.job_id from attempts a where a.started_at >= v_since order by a.started_at desc limit p_limit) a
    cross join lateral (select x.lane from jobs x where x.id = a.job_id limit 1) j;
end $$;

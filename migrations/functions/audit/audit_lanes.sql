-- Checks lanes. A lane's head is read from where it has gone through: behind that lie the dead rows of everything it ever did.
create or replace function audit_lanes(p_keys text[]) returns setof audit_finding language plpgsql volatile set enable_seqscan = off as $$
declare
  v_now timestamptz := app_now();
  v_slack interval := interval '1 minute';
begin
  return query
  select r.rule, l.key, coalesce(l.running_job, h.id), l.connection_id, l.fence
  from unnest(p_keys) k(key)
  cross join lateral (select x.* from lanes x where x.key = k.key limit 1) l
  left join lateral (select j.id, j.run_at from jobs j where j.lane = l.key and j.state = 'queued' and j.seq > l.gone_through order by j.seq limit 1) h on true
  left join lateral (select j.lane, j.state from jobs j where j.id = l.running_job limit 1) g on true
  left join lateral (select w.id, w.alive_until, w.lease_ms from workers w where w.id = l.worker limit 1) w on true
  cross join lateral (values
    ('idle_with_job', l.ready_at is null and l.worker is null and h.id is not null),
    ('ready_without_job', l.ready_at is not null and h.id is null),
    ('ready_out_of_step', l.ready_at is not null and h.id is not null
      and (l.ready_at + v_slack < h.run_at or l.ready_at > v_now + v_slack and l.ready_at > h.run_at + v_slack)),
    ('held_by_nobody', l.worker is not null and w.id is null),
    ('held_by_the_dead', l.worker is not null and w.alive_until + w.lease_ms * interval '1 ms' < v_now),
    ('holds_no_job', l.worker is not null and (g.lane is distinct from l.key or g.state is distinct from 'queued')),
    ('holds_not_its_head', l.worker is not null and g.lane = l.key and g.state = 'queued' and h.id is distinct from l.running_job)
  ) r(rule, is_broken)
  where r.is_broken;
end $$;

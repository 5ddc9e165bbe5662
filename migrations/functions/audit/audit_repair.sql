-- Brings one lane back in line with its jobs, as far as that can be proved while its lock is held, and returns whether anything was wrong.
-- A lane that somebody holds is left to him, unless that somebody has no row: then nobody can renew, finish or take over what he held.
create or replace function audit_repair(p_lane text) returns boolean language plpgsql volatile set enable_seqscan = off as $$
declare
  v_was lanes%rowtype;
  v_is lanes%rowtype;
  v_first jobs%rowtype;
begin
  perform 1 from lanes l where l.key = p_lane for update;
  select * into v_was from lanes l where l.key = p_lane;
  select * into v_first from jobs j where j.lane = p_lane and j.state = 'queued' order by j.seq limit 1;
  if v_was.key is null then
    if v_first.id is null then
      return false;
    end if;
    insert into lanes (key, firm_id, connection_id, tail, gone_through, priority)
    select p_lane, v_first.firm_id, v_first.connection_id, max(j.seq), v_first.seq - 1, v_first.priority from jobs j where j.lane = p_lane
    on conflict (key) do nothing;
  elsif v_was.worker is not null then
    if exists (select 1 from workers w where w.id = v_was.worker) then
      return false;
    end if;
    perform queue_release_lost(p_lane, v_was.running_job);
  end if;
  update lanes l set gone_through = v_first.seq - 1 where l.key = p_lane and l.worker is null and l.gone_through >= v_first.seq;
  perform queue_refresh_lanes(array[p_lane]);
  select * into v_is from lanes l where l.key = p_lane;
  return (v_was.ready_at is null, v_was.worker, v_was.gone_through) is distinct from (v_is.ready_at is null, v_is.worker, v_is.gone_through)
    or abs(extract(epoch from v_was.ready_at - v_is.ready_at)) > 1;
end $$;

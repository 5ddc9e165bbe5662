-- Brings one lane back in line with its jobs, as far as that can be proved while its lock is held, and returns whether
-- anything was wrong.
-- A lane that a worker holds is left to that worker, unless the worker has no row: then no worker can renew, finish or
-- take over what it held.
--
-- Example. Lane A is idle, and job 7 waits in it: A becomes ready, and the answer is true. Lane B is held by a worker
-- that has a row: nothing is done, and the answer is false. Lane C is held by a worker without a row: its running job
-- counts as lost, C becomes ready, and the answer is true.
create or replace function audit_repair(p_lane text) returns boolean
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_was lanes%rowtype;
  v_is lanes%rowtype;
  v_first jobs%rowtype;
begin
  perform 1 from lanes lane where lane.key = p_lane for update;
  select * into v_was from lanes lane where lane.key = p_lane;
  select * into v_first from jobs job where job.lane = p_lane and job.state = 'queued' order by job.seq limit 1;
  if v_was.key is null then
    if v_first.id is null then
      return false;
    end if;
    insert into lanes (key, firm_id, connection_id, tail, gone_through, priority)
    select p_lane, v_first.firm_id, v_first.connection_id, max(job.seq), v_first.seq - 1, v_first.priority
    from jobs job
    where job.lane = p_lane
    on conflict (key) do nothing;
  elsif v_was.worker is not null then
    if exists (select 1 from workers worker where worker.id = v_was.worker) then
      return false;
    end if;
    perform queue_release_lost(p_lane, v_was.running_job);
  end if;
  update lanes lane set gone_through = v_first.seq - 1
  where lane.key = p_lane and lane.worker is null and lane.gone_through >= v_first.seq;
  perform queue_refresh_lanes(array[p_lane]);
  select * into v_is from lanes lane where lane.key = p_lane;
  return (v_was.ready_at is null, v_was.worker, v_was.gone_through)
      is distinct from (v_is.ready_at is null, v_is.worker, v_is.gone_through)
    or abs(extract(epoch from v_was.ready_at - v_is.ready_at)) > 1;
end $$;

-- What forbids the call whatever the budget; null when nothing does. p_pauses: pauses forbid it too.
create or replace function permit_refusal(
  p_worker uuid, p_lane text, p_fence bigint, p_job uuid, p_connection uuid, p_epoch bigint, p_pauses boolean)
returns text
language plpgsql volatile as $$
declare
  v_connection firm_integrations%rowtype;
begin
  perform 1
  from lanes lane
  join workers worker on worker.id = p_worker
  where lane.key = p_lane
    and lane.fence = p_fence and lane.worker is not distinct from p_worker and worker.alive_until > app_now();
  if not found then
    return 'lease_lost';
  end if;
  select * into v_connection from firm_integrations connection where connection.id = p_connection;
  if v_connection.disconnected_at is not null or not v_connection.is_active or v_connection.epoch <> p_epoch then
    return 'connection_changed';
  end if;
  if exists (select 1 from jobs job where job.id = p_job and job.cancelled_at is not null) then
    return 'cancelled';
  end if;
  if p_pauses and queue_is_paused(p_connection, v_connection.platform) then
    return 'paused';
  end if;
  return null;
end $$;

-- Connection rows are updated once a batch, after the lanes, in id order.
create or replace function queue_touch_connections(p_outcomes job_outcome[]) returns void language plpgsql volatile
set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_connection record;
begin
  for v_connection in
    select l.connection_id as id, bool_or(o.log_status = 'success') as synced, bool_or(o.log_status = 'failed') as failed,
      bool_or(o.log_status in ('success', 'failed')) as ended, bool_or(coalesce(o.code in ('provider_unavailable', 'timed_out'), false)) as troubled
    from unnest(p_outcomes) o join lanes l on l.key = o.lane
    where (o.log_status in ('success', 'failed') or o.code in ('provider_unavailable', 'timed_out')) and not coalesce(o.probe, false)
    group by l.connection_id order by l.connection_id
  loop
    update firm_integrations c set
      last_sync_at = case when v_connection.synced then app_now() else c.last_sync_at end,
      last_outcome = case when v_connection.failed then 'failed' when v_connection.ended then 'success' else c.last_outcome end,
      last_outcome_at = case when v_connection.ended then app_now() else c.last_outcome_at end,
      -- One job that got through proves more than another that did not.
      troubled_at = case when v_connection.troubled and not v_connection.synced then app_now() else c.troubled_at end
    where c.id = v_connection.id;
  end loop;
end $$;

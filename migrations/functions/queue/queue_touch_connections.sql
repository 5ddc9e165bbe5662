-- Connection rows are updated once a batch, after the lanes, in id order.
-- Published actions alone say when a connection was last synced and how it ended. Every job that called says whether
-- the platform answered.
--
-- Example. Of one connection's outcomes in a batch 1 succeeded and 1 failed with code 'timed_out'. last_sync_at and
-- last_outcome_at become now, last_outcome becomes 'failed', and troubled_at stays: the other job got an answer.
create or replace function queue_touch_connections(p_outcomes job_outcome[]) returns void
language plpgsql volatile set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_connection record;
begin
  for v_connection in
    select lane.connection_id as id,
      bool_or(outcome.log_status = 'success') as got_through,
      bool_or(outcome.log_status = 'success' and coalesce(outcome.published, true)) as synced,
      bool_or(outcome.log_status = 'failed' and coalesce(outcome.published, true)) as failed,
      bool_or(outcome.log_status in ('success', 'failed')) as ended,
      bool_or(coalesce(outcome.code in ('provider_unavailable', 'timed_out'), false)) as troubled
    from unnest(p_outcomes) outcome
    join lanes lane on lane.key = outcome.lane
    where (outcome.log_status in ('success', 'failed') or outcome.code in ('provider_unavailable', 'timed_out'))
      and not coalesce(outcome.probe, false)
    group by lane.connection_id
    order by lane.connection_id
  loop
    update firm_integrations connection set
      last_sync_at = case when v_connection.synced then app_now() else connection.last_sync_at end,
      last_outcome = case
        when v_connection.failed then 'failed'
        when v_connection.synced then 'success'
        else connection.last_outcome end,
      last_outcome_at = case when v_connection.ended then app_now() else connection.last_outcome_at end,
      -- One job that got through proves more than another that did not.
      troubled_at = case
        when v_connection.troubled and not v_connection.got_through then app_now()
        else connection.troubled_at end
    where connection.id = v_connection.id;
  end loop;
end $$;

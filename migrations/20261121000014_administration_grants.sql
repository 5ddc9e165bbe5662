-- Who may execute: the worker role everything; a firm's own caller what lists, explains and acts, under the row level security of his firm.
select guard_functions('{queue,permit,bucket,batch}');

do $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname = any('{bucket_free_at, bucket_of, queue_explain, queue_describe, queue_id_at, queue_id_slack, queue_firm_of, queue_walk, queue_list,
  queue_failed_matching, queue_cause, queue_failures, queue_lock_lanes_of, queue_drop_job, queue_requeue, queue_begin_act, queue_retry,
  queue_skip, queue_cancel, queue_run_now, queue_settle_lanes, queue_lane_priority, queue_find_twin, batch_count, batch_begin, batch_cancel}')
  loop
    execute format('grant execute on function %s to casehug_firm', f);
  end loop;
end $$;

-- Which role may execute which function. Applied after all functions: every role may execute a new function until this
-- file takes it back.

-- The steps of the service are the worker role's alone.
select guard_functions('{audit,batch,breaker,bucket,gauge,link,permit,queue,retention,storage}');

-- A firm's own caller lists, explains and acts, under the row level security of that firm.
select grant_functions('casehug_firm', '{
    bucket_free_at, bucket_of, queue_explain, queue_describe, queue_id_at, queue_id_slack, queue_firm_of,
    queue_walk, queue_list, queue_failed_matching, queue_cause, queue_failures, queue_lock_lanes_of,
    queue_drop_job, queue_last_error, queue_join,
    queue_newest_events, queue_requeue, queue_begin_act, queue_retry, queue_skip, queue_cancel, queue_run_now,
    queue_adopt, link_adopt, link_lane_runs,
    queue_refresh_lanes, queue_lane_priority, queue_find_duplicate, batch_count, batch_begin, batch_cancel}');

-- Steps that are one statement, on the way of every call to a provider. Each takes up the worker's role itself (`set
-- role` in its header): one trip to the database, where a transaction that takes the role up and commits makes three.
-- A session that sits in casehug_none may therefore execute these, and nothing else. That role belongs to the programs'
-- login alone, which may take up the worker's role anyway.
select grant_functions('casehug_none', '{
    queue_permit, queue_confirm_permit, queue_begin_transfer, link_claim, link_find_same_bytes, link_complete,
    link_set_transferred}');

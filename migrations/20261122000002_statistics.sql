-- Statistics: every function of the queue finds its rows by key whatever they say, but each `analyze` makes every session plan every
-- statement anew that touches the table. Tables that change with each job cross the server's own threshold (a tenth of their rows) each
-- minute for ever, because a queue is small and its turnover is not; here they do so after a million changes.
-- Dead rows are removed as often as before.
do $$
declare
  v_table text;
begin
  foreach v_table in array '{lanes,jobs,workers,buckets,links,events,attempts,activity,integration_sync_logs,firm_integrations}'::text[] loop
    execute format('alter table %I set (autovacuum_analyze_threshold = 1000000, autovacuum_vacuum_insert_threshold = 1000000)', v_table);
  end loop;
end $$;

-- Statistics: the queue's functions find rows by key whatever these say, but each `analyze` makes every session plan every statement anew
-- that touches the table. A queue is small and its turnover is not: the server's own threshold, a tenth of the rows, is crossed each minute
-- for ever. Here it takes a million changes. Dead rows are removed as often as before.
-- Not for integration_sync_logs and activity: people filter those, by what only statistics can weigh, and they grow and do not turn over.
do $$
declare
  v_table text;
begin
  foreach v_table in array '{lanes,jobs,workers,buckets,links,events,attempts,firm_integrations}'::text[] loop
    execute format('alter table %I set (autovacuum_analyze_threshold = 1000000, autovacuum_vacuum_insert_threshold = 1000000)', v_table);
  end loop;
end $$;

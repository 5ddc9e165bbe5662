-- Enqueue: lanes are locked first, in key order; what is read after that is true.
-- The lane's counter, moved under that lock, gives the order (seq): not ids, not clocks. A job that joins a duplicate
-- leaves a gap in it. An idle lane becomes ready; ready_at of no other lane is touched.
--
-- How the queue's functions keep their plans. A queue is empty most of the time, so its statistics say "one row", and
-- the planner would read the whole table that has meanwhile ten million. Therefore what is read is looked up row by row
-- (lateral, with a limit: such a subquery is never turned around). What is written by key is written in functions that
-- may use nothing but bitmap scans, which cannot run without a key (`enable_seqscan`, `enable_indexscan` and
-- `enable_indexonlyscan` off).

-- The highest priority among a lane's waiting jobs.
create or replace function queue_lane_priority(p_lane text, p_head smallint) returns smallint
language plpgsql volatile as $$
begin
  return coalesce(
    (select job.priority
     from jobs job
     where job.lane = p_lane and job.state = 'queued' and job.priority < p_head
     order by job.priority
     limit 1),
    p_head);
end $$;

-- Joins a failed job to its waiting duplicate: its row goes, and its log row names the duplicate. The caller has their
-- lane's lock.
--
-- Example. Job 4 has failed and names event e4; job 11 waits with priority 2 and names e11. Joined with p_priority 1,
-- job 11 has priority 1 and names e11 and e4.
create or replace function queue_join(p_job jobs, p_duplicate uuid, p_priority smallint, p_explicit boolean)
returns void language plpgsql volatile set enable_seqscan = off as $$
begin
  update jobs job set
    priority = least(job.priority, p_priority),
    explicit = job.explicit or p_explicit,
    event_ids = queue_newest_events(job.event_ids, p_job.event_ids)
  where job.id = p_duplicate;
  perform queue_drop_job(p_job.id, null, jsonb_build_object('joined', p_duplicate));
end $$;

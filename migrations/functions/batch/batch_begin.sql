-- Fixes the jobs of a new batch and their order: oldest first.
-- Within a lane seq decides, whatever the clocks said.
create or replace function batch_begin(
  p_batch uuid, p_firm uuid, p_filter job_filter, p_shown jsonb, p_author text)
returns integer
language plpgsql volatile set plan_cache_mode = force_custom_plan as $$
declare
  v_counted integer;
begin
  insert into batches (id, firm_id, filter, author, created_at)
  values (p_batch, p_firm, p_shown, p_author, app_now());
  insert into batch_jobs (batch_id, position, firm_id, connection_id, job_id)
  select p_batch, row_number() over (order by matched.since, matched.lane, matched.seq), matched.firm_id,
    matched.connection_id, matched.id
  from (
    select job.*, max(job.created_at) over (partition by job.lane order by job.seq) as since
    from queue_failed_matching(p_filter) job) matched;
  get diagnostics v_counted = row_count;
  update batches batch set
    counted = v_counted,
    state = case when v_counted = 0 then 'done' else batch.state end,
    finished_at = case when v_counted = 0 then app_now() end
  where batch.id = p_batch;
  return v_counted;
end $$;

create or replace function batch_count(p_filter job_filter) returns bigint
language plpgsql volatile set plan_cache_mode = force_custom_plan as $$
begin
  return (select count(*) from queue_failed_matching(p_filter));
end $$;

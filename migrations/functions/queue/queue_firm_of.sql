-- The firm of a filter: its own, or that of its matter, so that a matter's jobs are found by key.
create or replace function queue_firm_of(p_filter job_filter) returns uuid language sql volatile as $$
  select coalesce(p_filter.firm_id, (select matter.firm_id from matters matter where matter.id = p_filter.matter_id));
$$;

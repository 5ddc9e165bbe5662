-- How many jobs of one connection run side by side, a running transfer apart: "one matter at a time" where a platform's users were promised that.
create or replace function queue_cap(p_platform text) returns integer language sql stable as $$
  select p.cap from platforms p where p.platform = p_platform;
$$;

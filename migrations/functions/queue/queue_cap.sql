-- How many jobs of one connection run side by side, a running transfer apart. The cap is 1 where a platform's users
-- were promised "one matter at a time".
create or replace function queue_cap(p_platform text) returns integer language sql stable as $$
  select profile.cap from platforms profile where profile.platform = p_platform;
$$;

-- True while a pause forbids calls of this connection. A region's pause stands for its bucket: the permit asks the
-- bucket itself.
create or replace function queue_is_paused(p_connection uuid, p_platform text) returns boolean
language plpgsql volatile as $$
begin
  return exists (
    select 1
    from pauses pause
    where pause.scope = any(array['all', 'platform:' || p_platform, 'connection:' || p_connection])
      and pause.until > app_now()
      and pause.trying is distinct from p_connection);
end $$;

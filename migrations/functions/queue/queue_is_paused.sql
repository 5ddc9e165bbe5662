-- True while a pause forbids calls of this connection. A region's pause stands for its bucket, which the permit asks itself.
create or replace function queue_is_paused(p_connection uuid, p_platform text) returns boolean language plpgsql volatile as $$
begin
  return exists (
    select 1 from pauses p
    where p.scope = any(array['all', 'platform:' || p_platform, 'connection:' || p_connection]) and p.until > app_now()
      and p.trying is distinct from p_connection);
end $$;

-- Serialises the workers that count a connection's held lanes: a count on a snapshot lets every worker see capacity
-- where there is none.
create or replace function queue_try_connection(p_connection uuid) returns boolean language sql volatile as $$
  select pg_try_advisory_xact_lock(hashtextextended(p_connection::text, 7));
$$;

-- A message without what differs from job to job: ids, numbers, quoted text.
create or replace function queue_cause(p_message text) returns text language sql immutable as $$
  select regexp_replace(regexp_replace(regexp_replace(p_message,
    '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', '#', 'gi'),
    '"[^"]*"|''[^'']*''', '"…"', 'g'), '[0-9]+', '#', 'g');
$$;

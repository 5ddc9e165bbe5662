create or replace function queue_id_slack() returns interval language sql immutable as $$
  select interval '5 minutes'
$$;

-- Since when a link is in doubt; null: never.
-- It is since a claim met it, or, while no job has come back to it, since its bytes must have left.
-- A job can end while its creation is in doubt (cancelled, its last attempt, its worker lost three times): no claim
-- notes that doubt.
create or replace function link_doubted_since(p_doubted_at timestamptz, p_state text, p_send_until timestamptz)
returns timestamptz language sql immutable as $$
  select coalesce(p_doubted_at, case when p_state = 'creating' then p_send_until end);
$$;

-- The least id (version 7) that can have been drawn at a time, less what clocks and waiting transactions may differ by.
create or replace function queue_id_at(p_at timestamptz, p_slack interval) returns uuid language sql immutable as $$
  select (
    lpad(to_hex(greatest(floor(extract(epoch from p_at + p_slack) * 1000)::bigint, 0)), 12, '0') || repeat('0', 20)
  )::uuid;
$$;

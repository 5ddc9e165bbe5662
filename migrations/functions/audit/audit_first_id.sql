-- The least id of a job that came at a time: ids begin with their time (uuid version 7).
create or replace function audit_first_id(p_at timestamptz) returns uuid language sql immutable as $$
  select (lpad(to_hex(greatest(0, extract(epoch from p_at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;
$$;

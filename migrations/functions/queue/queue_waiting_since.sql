-- Since when a job waits for something that has a time limit. Another such reason begins anew, and so does a wait for
-- another record (p_anew). A reason without a time limit leaves the time as it is.
create or replace function queue_waiting_since(
  p_before text, p_since timestamptz, p_reason text, p_anew boolean, p_now timestamptz)
returns timestamptz language sql immutable as $$
  select case
    when p_reason not in ('provider', 'contact', 'doubt') then p_since
    when p_anew or p_before <> p_reason and p_before in ('provider', 'contact', 'doubt') then p_now
    else coalesce(p_since, p_now) end;
$$;

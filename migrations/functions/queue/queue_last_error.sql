-- What a log row keeps of a failure that is not its end.
create or replace function queue_last_error(p_code text, p_message text) returns jsonb language sql immutable as $$
  select case
    when p_message is null then '{}'
    else jsonb_build_object('last_error', jsonb_build_object('code', p_code, 'message', p_message)) end;
$$;

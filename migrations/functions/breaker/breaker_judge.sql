-- Judges one platform; null when nothing changed.
-- The breaker's row is locked first, and all is read in later statements.
-- p_least: fewer connections than this are no majority.
-- The pause outlasts its try by p_wait_ms, so that it ends by itself if no worker judges.
--
-- Example. p_least is 3, p_wait_ms 30,000, p_longest_ms 600,000. 4 of 6 connections got no answer: 'opened', and the
-- platform is paused for 60 s. 30 s later connection A tries: 'trying'. A gets no answer: 'failed', and the next try is
-- in 60 s. It is connection B's, for A may have trouble of its own. B gets an answer: 'closed', and the pause is gone.
create or replace function breaker_judge(
  p_platform text, p_window_ms bigint, p_least integer, p_wait_ms bigint, p_longest_ms bigint)
returns breaker_change language plpgsql volatile as $$
declare
  v_row pauses%rowtype;
  v_now timestamptz;
  v_try record;
  v_counts record;
  v_wait_ms bigint;
  v_next uuid;
begin
  select * into v_row
  from pauses pause
  where pause.scope = 'platform:' || p_platform and pause.reason = 'breaker'
  for update;
  v_now := app_now();
  if v_row.scope is null then
    select * into v_counts from breaker_counts(p_platform, v_now - p_window_ms * interval '1 ms');
    if v_counts.called < p_least or v_counts.troubled * 2 <= v_counts.called then
      return null;
    end if;
    insert into pauses (scope, reason, until, author, note, created_at, tries, try_at)
    values (
      'platform:' || p_platform, 'breaker', v_now + 2 * p_wait_ms * interval '1 ms', 'breaker',
      v_counts.troubled || ' of ' || v_counts.called || ' connections got no answer',
      v_now, 0, v_now + p_wait_ms * interval '1 ms')
    on conflict do nothing;
    return (p_platform, 'opened', v_counts.troubled, v_counts.called, p_wait_ms)::breaker_change;
  end if;
  if v_row.trying is null and v_row.try_at > v_now then
    return null;
  end if;
  if v_row.trying is not null then
    select
        connection.last_outcome_at > v_row.trying_since
          and connection.troubled_at is distinct from connection.last_outcome_at as answered,
        connection.troubled_at > v_row.trying_since as failed
      into v_try
    from firm_integrations connection
    where connection.id = v_row.trying;
    if v_try.failed then
      v_wait_ms := least(p_longest_ms, p_wait_ms * (2 ^ least(v_row.tries + 1, 20))::bigint);
      update pauses pause set
        tries = pause.tries + 1,
        tried = v_row.trying,
        trying = null,
        trying_since = null,
        try_at = v_now + v_wait_ms * interval '1 ms',
        until = v_now + (v_wait_ms + p_wait_ms) * interval '1 ms'
      where pause.scope = v_row.scope and pause.reason = 'breaker';
      return (p_platform, 'failed', 1, 1, v_wait_ms)::breaker_change;
    elsif v_try.answered then
      delete from pauses pause where pause.scope = v_row.scope and pause.reason = 'breaker';
      return (p_platform, 'closed', 0, 1, 0)::breaker_change;
    elsif v_row.trying_since > v_now - p_wait_ms * interval '1 ms' then
      return null;
    end if;
    -- It has said nothing for as long as a whole wait (no call was needed, or its firm left): another one tries.
  end if;
  v_next := breaker_choose(p_platform, coalesce(v_row.trying, v_row.tried));
  update pauses pause set
    trying = v_next,
    trying_since = case when v_next is not null then v_now end,
    until = v_now + 2 * p_wait_ms * interval '1 ms'
  where pause.scope = v_row.scope and pause.reason = 'breaker';
  if v_next is null then
    return null;
  end if;
  return (p_platform, 'trying', 0, 0, p_wait_ms)::breaker_change;
end $$;

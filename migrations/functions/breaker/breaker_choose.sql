-- The connection that tries next: it has a due lane and nothing else forbids it.
-- Behind p_after in id order, then from the start.
--
-- Example. Connections A, B and C of one platform, in id order, have due lanes, and a person has paused B. With p_after
-- null the answer is A, with A it is C, and with C it is A again. Without a due lane at A and C the answer is null.
create or replace function breaker_choose(p_platform text, p_after uuid) returns uuid
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_chosen uuid;
begin
  select candidate.id into v_chosen
  from (
    select connection.id, connection.id <= coalesce(p_after, '00000000-0000-0000-0000-000000000000') as later
    from firm_integrations connection
    where connection.platform = p_platform and connection.is_active
      and exists (
        select 1
        from (values (0::smallint), (1::smallint), (2::smallint)) level(priority)
        cross join lateral (
          select 1
          from lanes lane
          where lane.connection_id = connection.id and lane.priority = level.priority and lane.ready_at <= app_now()
          limit 1) due)
      and not exists (
        select 1
        from pauses pause
        where pause.scope in ('all', 'connection:' || connection.id) and pause.until > app_now())
      and not exists (
        select 1
        from pauses pause
        where pause.scope = 'platform:' || p_platform and pause.reason <> 'breaker' and pause.until > app_now())
  ) candidate
  order by candidate.later, candidate.id
  limit 1;
  return v_chosen;
end $$;

-- called: how many connections called in the window. troubled: how many of them got no answer to their last call.
create or replace function breaker_counts(
  p_platform text, p_since timestamptz, out troubled integer, out called integer)
language plpgsql volatile set enable_seqscan = off as $$
begin
  troubled := 0;
  called := 0;
  if exists (
    select 1
    from firm_integrations connection
    where connection.platform = p_platform and connection.troubled_at > p_since) then
    select
        count(*) filter (
          where connection.troubled_at > p_since
            and connection.troubled_at >= coalesce(connection.last_outcome_at, '-infinity')),
        count(*)
      into troubled, called
    from firm_integrations connection
    where connection.platform = p_platform and connection.is_active
      and (connection.troubled_at > p_since or connection.last_outcome_at > p_since);
  end if;
end $$;

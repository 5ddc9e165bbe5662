-- How many connections called in the window, and for how many of them the last word was none.
create or replace function breaker_counts(p_platform text, p_since timestamptz, out troubled integer, out called integer) language plpgsql volatile
set enable_seqscan = off as $$
begin
  troubled := 0;
  called := 0;
  if exists (select 1 from firm_integrations c where c.platform = p_platform and c.troubled_at > p_since) then
    select count(*) filter (where c.troubled_at > p_since and c.troubled_at >= coalesce(c.last_outcome_at, '-infinity')), count(*) into troubled, called
    from firm_integrations c
    where c.platform = p_platform and c.is_active and (c.troubled_at > p_since or c.last_outcome_at > p_since);
  end if;
end $$;

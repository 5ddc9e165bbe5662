-- The connection that tries next: it has a due lane and nothing else forbids it. Behind p_after in id order, then from the start.
create or replace function breaker_choose(p_platform text, p_after uuid) returns uuid language plpgsql volatile set enable_seqscan = off as $$
declare
  v_chosen uuid;
begin
  select x.id into v_chosen from (
    select c.id, c.id <= coalesce(p_after, '00000000-0000-0000-0000-000000000000') as later from firm_integrations c
    where c.platform = p_platform and c.is_active
      and exists (
        select 1 from (values (0::smallint), (1::smallint), (2::smallint)) v(priority) cross join lateral (
          select 1 from lanes l where l.connection_id = c.id and l.priority = v.priority and l.ready_at <= app_now() limit 1) r)
      and not exists (select 1 from pauses p where p.scope in ('all', 'connection:' || c.id) and p.until > app_now())
      and not exists (select 1 from pauses p where p.scope = 'platform:' || p_platform and p.reason <> 'breaker' and p.until > app_now())) x
  order by x.later, x.id limit 1;
  return v_chosen;
end $$;

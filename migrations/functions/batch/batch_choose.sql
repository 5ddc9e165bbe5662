-- The next jobs to be retried: each connection's up to its room, beginning behind p_after; at most p_limit in all.
create or replace function batch_choose(p_after uuid, p_limit integer, out chosen batch_jobs[], out next_after uuid) language plpgsql volatile
set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_room integer;
  v_more batch_jobs[];
begin
  next_after := p_after;
  chosen := '{}';
  loop
    select b.connection_id into next_after from batch_jobs b
    where b.retried_at is null and (next_after is null or b.connection_id > next_after) order by b.connection_id limit 1;
    exit when next_after is null;
    select batch_pace(c.platform, c.region, c.firm_id, c.id) - (select count(*) from batch_jobs b where b.connection_id = c.id and b.retried_at is not null)
      into v_room from firm_integrations c where c.id = next_after;
    select array_agg(x::batch_jobs) into v_more from (
      select b.* from batch_jobs b
      where b.connection_id = next_after and b.retried_at is null and exists (select 1 from batches t where t.id = b.batch_id and t.state = 'running')
      order by b.batch_id, b.position limit least(greatest(v_room, 0), p_limit - cardinality(chosen))) x;
    chosen := chosen || coalesce(v_more, '{}');
    exit when cardinality(chosen) >= p_limit;
  end loop;
end $$;

-- The next jobs to be retried: each connection's up to its room, beginning behind p_after; at most p_limit in all.
--
-- Example. Connection A has room for 3 jobs, and 10 to be retried. Connection B has room for 500, and 40 to be retried.
-- With p_after null and p_limit 20 the first 3 jobs of A and the first 17 of B are chosen, and next_after is B.
-- The next look begins behind B, finds no connection there and returns next_after null. So the look after that begins
-- with A again.
create or replace function batch_choose(
  p_after uuid, p_limit integer, out chosen batch_jobs[], out next_after uuid)
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_room integer;
  v_more batch_jobs[];
begin
  next_after := p_after;
  chosen := '{}';
  loop
    select batch_job.connection_id into next_after
    from batch_jobs batch_job
    where batch_job.retried_at is null and (next_after is null or batch_job.connection_id > next_after)
    order by batch_job.connection_id
    limit 1;
    exit when next_after is null;
    select batch_pace(connection.platform, connection.region, connection.firm_id, connection.id) - (
        select count(*)
        from batch_jobs batch_job
        where batch_job.connection_id = connection.id and batch_job.retried_at is not null)
      into v_room
    from firm_integrations connection
    where connection.id = next_after;
    select array_agg(waiting::batch_jobs) into v_more
    from (
      select batch_job.*
      from batch_jobs batch_job
      where batch_job.connection_id = next_after and batch_job.retried_at is null
        and exists (select 1 from batches batch where batch.id = batch_job.batch_id and batch.state = 'running')
      order by batch_job.batch_id, batch_job.position
      limit least(greatest(v_room, 0), p_limit - cardinality(chosen))) waiting;
    chosen := chosen || coalesce(v_more, '{}');
    exit when cardinality(chosen) >= p_limit;
  end loop;
end $$;

-- The connections that have ready lanes, behind p_after in id order: the truth that notifications only hurry. With the time of each one's
-- first lane, and from where a visit may look: not from the first lane's time when that is to come, or a lane that becomes ready before it
-- would be passed over. person: somebody waits for a lane of it that is due.
-- One step over the index alone for each priority that a connection has ready lanes of.
create or replace function queue_ready_connections(p_after uuid, p_limit integer)
returns table (connection_id uuid, first_ready_at timestamptz, ready_floor timestamptz, person boolean)
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_now timestamptz := app_now();
  v_left integer := p_limit;
  v_next record;
begin
  select p_after as connection_id, 32767::smallint as priority, null::timestamptz as ready_at into v_next;
  person := false;
  loop
    select l.connection_id, l.priority, l.ready_at into v_next from lanes l
    where l.ready_at is not null and (l.connection_id, l.priority) > (v_next.connection_id, v_next.priority)
    order by l.connection_id, l.priority, l.ready_at limit 1;
    if first_ready_at is not null and v_next.connection_id is distinct from connection_id then
      ready_floor := least(first_ready_at, v_now - queue_floor_slack());
      return next;
      v_left := v_left - 1;
      first_ready_at := null;
      person := false;
    end if;
    exit when v_next.connection_id is null or v_left = 0;
    connection_id := v_next.connection_id;
    first_ready_at := least(first_ready_at, v_next.ready_at);
    person := person or v_next.priority = 0 and v_next.ready_at <= v_now;
  end loop;
end $$;

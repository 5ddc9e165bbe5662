-- The connections that have ready lanes, behind p_after in id order: the truth that notifications only hurry.
-- first_ready_at: the time of the connection's first lane.
-- ready_floor: from where a visit may look. It is not the first lane's time when that is to come, or a lane that
-- becomes ready before it would be passed over.
-- person: a person waits for a lane of it that is due.
-- One step over the index alone for each priority that a connection has ready lanes of.
--
-- Example. It is 10:00:00. Connection A's first lane has been due since 9:59:00 and waits for a person: A has
-- first_ready_at and ready_floor 9:59:00, and person is true. Connection B's only ready lane is a retry at 10:05:00: B
-- has first_ready_at 10:05:00 and ready_floor 9:59:55, and person is false.
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
    select lane.connection_id, lane.priority, lane.ready_at into v_next
    from lanes lane
    where lane.ready_at is not null
      and (lane.connection_id, lane.priority) > (v_next.connection_id, v_next.priority)
    order by lane.connection_id, lane.priority, lane.ready_at
    limit 1;
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

-- Holds lanes whose locks the caller has, for their heads. A lane without a head goes idle. Returns the lanes held.
create or replace function queue_hold_lanes(p_worker uuid, p_heads lane_head[]) returns text[]
language plpgsql volatile set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_held text[];
begin
  with held as (
    update lanes lane set
      ready_at = null,
      changed_at = clock_timestamp(),
      transferring = false,
      worker = case when head.job_id is not null then p_worker end,
      running_job = head.job_id,
      fence = coalesce(head.fence, lane.fence),
      first_fence = coalesce(head.fence, lane.first_fence)
    from (
      select given.*, case when given.job_id is not null then nextval('fence_seq') end as fence
      from unnest(p_heads) given) head
    where lane.key = head.lane
    returning lane.key, lane.worker)
  select array_agg(held.key) filter (where held.worker is not null) into v_held from held;
  return v_held;
end $$;

-- Holds lanes whose locks the caller has, for their heads. A lane without a head goes idle. Returns the lanes held.
create or replace function queue_hold_lanes(p_worker uuid, p_heads lane_head[]) returns text[] language plpgsql volatile
set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
declare
  v_held text[];
begin
  with held as (
    update lanes l set ready_at = null, changed_at = clock_timestamp(), transferring = false,
      worker = case when h.job_id is not null then p_worker end, running_job = h.job_id,
      fence = coalesce(h.fence, l.fence), first_fence = coalesce(h.fence, l.first_fence)
    from (select u.*, case when u.job_id is not null then nextval('fence_seq') end as fence from unnest(p_heads) u) h
    where l.key = h.lane returning l.key, l.worker)
  select array_agg(h.key) filter (where h.worker is not null) into v_held from held h;
  return v_held;
end $$;

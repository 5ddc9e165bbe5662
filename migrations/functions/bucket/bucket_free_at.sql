-- Why a job does not run, and until when: one function, for the sync log, the job list and the pages.
-- Nothing is locked here.

-- When a bucket has room again; null when it has room now.
-- The jitter that the permit adds is not known here: half a second is little.
create or replace function bucket_free_at(p_bucket text) returns timestamptz language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
  v_at timestamptz;
begin
  select greatest(
      bucket.paused_until,
      case when log.used >= bucket.budget then
        log.sent[log.used - bucket.budget + 1] + bucket.window_ms * interval '1 ms' end)
    into v_at
  from buckets bucket
  cross join lateral (
    select array_agg(call.sent_at order by call.sent_at) as sent, count(*)::integer as used
    from unnest(bucket.sent) call(sent_at)
    where call.sent_at > v_now - bucket.window_ms * interval '1 ms') log
  where bucket.key = p_bucket;
  return case when v_at > v_now then v_at end;
end $$;

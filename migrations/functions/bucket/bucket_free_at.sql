-- Why a job does not run, and until when: one function, for the sync log, the job list and the pages. Nothing is locked here.

-- When a bucket has room again; null when it has now. The jitter that the permit adds is not known here: half a second is little.
create or replace function bucket_free_at(p_bucket text) returns timestamptz language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
  v_at timestamptz;
begin
  select greatest(b.paused_until,
      case when x.used >= b.budget then x.sent[x.used - b.budget + 1] + b.window_ms * interval '1 ms' end)
    into v_at
    from buckets b
    cross join lateral (
      select array_agg(s order by s) as sent, count(*)::integer as used from unnest(b.sent) s
      where s > v_now - b.window_ms * interval '1 ms') x
    where b.key = p_bucket;
  return case when v_at > v_now then v_at end;
end $$;

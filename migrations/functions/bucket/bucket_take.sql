-- Takes one call from a bucket, or says when there will be one. A bucket without a row counts as used up for one
-- window: its calls of the last window are unknown.
--
-- Example. A bucket has budget 50, and a window with its jitter lasts 61 s. 50 calls stand in it, the oldest sent 60 s
-- ago: the next call is due in 1 s. With p_patience_ms 2,000 the answer is 'go' with wait_ms 1,000, and the call stands
-- in the bucket under that time. With p_patience_ms 500 it is 'at' with wait_ms 1,000, and the bucket stays as it is.
create or replace function bucket_take(
  p_bucket text, p_firm uuid, p_budget integer, p_window_ms integer, p_jitter_ms integer, p_patience_ms integer)
returns permit_answer language plpgsql volatile as $$
declare
  v_now timestamptz;
  v_bucket buckets%rowtype;
  v_span interval := (p_window_ms + p_jitter_ms) * interval '1 ms';
  v_sent timestamptz[];
  v_at timestamptz;
  v_wait integer;
begin
  insert into buckets as bucket (key, firm_id, budget, configured, window_ms, paused_until, used_at)
  values (p_bucket, p_firm, p_budget, p_budget, p_window_ms, app_now() + v_span, app_now())
  on conflict (key) do update set
    used_at = app_now(),
    configured = excluded.configured,
    budget = case when bucket.configured = excluded.configured then bucket.budget else excluded.budget end;
  select * into v_bucket from buckets bucket where bucket.key = p_bucket;
  v_now := app_now();
  select coalesce(array_agg(call.sent_at order by call.sent_at), '{}') into v_sent
  from unnest(v_bucket.sent) call(sent_at)
  where call.sent_at > v_now - v_span;
  v_at := greatest(v_now, v_bucket.paused_until);
  if cardinality(v_sent) >= v_bucket.budget then
    v_at := greatest(v_at, v_sent[cardinality(v_sent) - v_bucket.budget + 1] + v_span);
  end if;
  v_wait := ceil(extract(epoch from v_at - v_now) * 1000)::integer;
  if v_wait > p_patience_ms then
    -- verdict, wait_ms, reason, budget, used, sent_at
    return ('at', v_wait, 'limited', v_bucket.budget, cardinality(v_sent), null)::permit_answer;
  end if;
  update buckets bucket set sent = v_sent || v_at, window_ms = p_window_ms where bucket.key = p_bucket;
  -- verdict, wait_ms, reason, budget, used, sent_at
  return ('go', v_wait, null, v_bucket.budget, cardinality(v_sent) + 1, v_at)::permit_answer;
end $$;

-- Takes one call from a bucket, or says when there will be one. A bucket without a row counts as used up for one window:
-- its calls of the last window are unknown.
create or replace function bucket_take(p_bucket text, p_firm uuid, p_budget integer, p_window_ms integer, p_jitter_ms integer, p_patience_ms integer)
returns permit_answer language plpgsql volatile as $$
declare
  v_now timestamptz;
  v_bucket buckets%rowtype;
  v_span interval := (p_window_ms + p_jitter_ms) * interval '1 ms';
  v_sent timestamptz[];
  v_at timestamptz;
  v_wait integer;
begin
  insert into buckets as b (key, firm_id, budget, configured, window_ms, paused_until, used_at)
  values (p_bucket, p_firm, p_budget, p_budget, p_window_ms, app_now() + v_span, app_now())
  on conflict (key) do update set used_at = app_now(), configured = excluded.configured,
    budget = case when b.configured = excluded.configured then b.budget else excluded.budget end;
  select * into v_bucket from buckets b where b.key = p_bucket;
  v_now := app_now();
  select coalesce(array_agg(s order by s), '{}') into v_sent from unnest(v_bucket.sent) s where s > v_now - v_span;
  v_at := greatest(v_now, v_bucket.paused_until);
  if cardinality(v_sent) >= v_bucket.budget then
    v_at := greatest(v_at, v_sent[cardinality(v_sent) - v_bucket.budget + 1] + v_span);
  end if;
  v_wait := ceil(extract(epoch from v_at - v_now) * 1000)::integer;
  if v_wait > p_patience_ms then
    return ('at', v_wait, 'limited', v_bucket.budget, cardinality(v_sent), null)::permit_answer;
  end if;
  update buckets b set sent = v_sent || v_at, window_ms = p_window_ms where b.key = p_bucket;
  return ('go', v_wait, null, v_bucket.budget, cardinality(v_sent) + 1, v_at)::permit_answer;
end $$;

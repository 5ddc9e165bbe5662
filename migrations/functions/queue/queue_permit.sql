-- p_bucket null: no budget is asked for.
-- p_link not null: the call creates something. On 'go' its link becomes 'creating', with send_until as the database
-- time by which the bytes have left or never will.
--
-- Example. A call that creates a matter finds its bucket full for 300 ms; p_patience_ms is 2,000. The answer is 'go'
-- with wait_ms 300: the call has its place in the bucket, and its link is 'creating'. With p_patience_ms 200 it is 'at'
-- with wait_ms 300, and nothing is reserved. If the worker has lost the lane, it is 'stop', 'lease_lost'.
create or replace function queue_permit(
  p_worker uuid, p_lane text, p_fence bigint, p_job uuid, p_connection uuid, p_epoch bigint,
  p_bucket text, p_firm uuid, p_budget integer, p_window_ms integer, p_jitter_ms integer, p_patience_ms integer,
  p_link uuid, p_send_ms integer, p_sent jsonb)
returns permit_answer
language plpgsql volatile set plan_cache_mode = force_generic_plan set role = casehug_worker as $$
declare
  -- verdict, wait_ms, reason, budget, used, sent_at
  v_answer permit_answer := ('go', 0, null, 0, 0, null)::permit_answer;
  v_reason text;
begin
  if p_bucket is not null then
    perform 1 from buckets bucket where bucket.key = p_bucket for update;
  end if;
  v_reason := permit_refusal(p_worker, p_lane, p_fence, p_job, p_connection, p_epoch, true);
  if v_reason is not null then
    return ('stop', 0, v_reason, 0, 0, null)::permit_answer; -- verdict, wait_ms, reason, budget, used, sent_at
  end if;
  if p_bucket is not null then
    v_answer := bucket_take(p_bucket, p_firm, p_budget, p_window_ms, p_jitter_ms, p_patience_ms);
  end if;
  if v_answer.verdict = 'go' and p_link is not null then
    update links link set
      state = 'creating',
      sent = p_sent,
      -- The sweep has looked twice for an earlier doubt: this intent may have one of its own.
      doubted_at = case when link.swept < 2 then link.doubted_at end,
      swept = case when link.swept < 2 then link.swept else 0 end,
      send_until = app_now() + (v_answer.wait_ms + p_send_ms) * interval '1 ms'
    where link.id = p_link and link.holder_lane = p_lane and link.holder_fence = p_fence and link.state = 'claimed'
      and num_nulls(link.superseded_at) = 1;
    if not found then
      return ('stop', 0, 'lease_lost', 0, 0, null)::permit_answer; -- verdict, wait_ms, reason, budget, used, sent_at
    end if;
  end if;
  return v_answer;
end $$;

-- The permit: one statement before every call to a provider. It is the one place for five questions: does the fence hold,
-- is the connection's epoch the same, was the job cancelled, is anything paused, is there budget.
-- It answers 'go' (after wait_ms, the budget is reserved for then), 'at' (not before wait_ms, nothing reserved) or 'stop' (reason).
--
-- A bucket is a sliding log: the send times of its last calls. The row is locked first and read in the next statement,
-- so that no two workers count the same calls. The window is lengthened for the jitter between our clock and the provider's counting.

-- sent_at: under which time the call stands in the bucket; null when none was taken.
create type permit_answer as (verdict text, wait_ms integer, reason text, budget integer, used integer, sent_at timestamptz);

-- What forbids the call whatever the budget; null when nothing does. p_pauses: pauses forbid it too.
create function permit_refusal(p_worker uuid, p_lane text, p_fence bigint, p_job uuid, p_connection uuid, p_epoch bigint, p_pauses boolean) returns text
language plpgsql volatile as $$
declare
  v_connection firm_integrations%rowtype;
begin
  perform 1 from lanes l join workers w on w.id = p_worker
  where l.key = p_lane and l.fence = p_fence and l.worker is not distinct from p_worker and w.alive_until > app_now();
  if not found then
    return 'lease_lost';
  end if;
  select * into v_connection from firm_integrations c where c.id = p_connection;
  if v_connection.disconnected_at is not null or not v_connection.is_active or v_connection.epoch <> p_epoch then
    return 'connection_changed';
  end if;
  if exists (select 1 from jobs j where j.id = p_job and j.cancelled_at is not null) then
    return 'cancelled';
  end if;
  if p_pauses and queue_is_paused(p_connection, v_connection.platform) then
    return 'paused';
  end if;
  return null;
end $$;

-- Takes one call from a bucket, or says when there will be one. A bucket without a row counts as used up for one window:
-- its calls of the last window are unknown.
create function bucket_take(p_bucket text, p_firm uuid, p_budget integer, p_window_ms integer, p_jitter_ms integer, p_patience_ms integer)
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

-- p_bucket null: no budget is asked for. p_link not null: the call creates something; on 'go' its link becomes 'creating',
-- with send_until as the database time by which the bytes have left or never will.
create function queue_permit(
  p_worker uuid, p_lane text, p_fence bigint, p_job uuid, p_connection uuid, p_epoch bigint,
  p_bucket text, p_firm uuid, p_budget integer, p_window_ms integer, p_jitter_ms integer, p_patience_ms integer,
  p_link uuid, p_send_ms integer) returns permit_answer language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
declare
  v_answer permit_answer := ('go', 0, null, 0, 0, null)::permit_answer;
  v_reason text;
begin
  if p_bucket is not null then
    perform 1 from buckets b where b.key = p_bucket for update;
  end if;
  v_reason := permit_refusal(p_worker, p_lane, p_fence, p_job, p_connection, p_epoch, true);
  if v_reason is not null then
    return ('stop', 0, v_reason, 0, 0, null)::permit_answer;
  end if;
  if p_bucket is not null then
    v_answer := bucket_take(p_bucket, p_firm, p_budget, p_window_ms, p_jitter_ms, p_patience_ms);
  end if;
  if v_answer.verdict = 'go' and p_link is not null then
    update links k set state = 'creating', send_until = app_now() + (v_answer.wait_ms + p_send_ms) * interval '1 ms'
    where k.id = p_link and k.holder_lane = p_lane and k.holder_fence = p_fence and k.state = 'claimed' and num_nulls(k.superseded_at) = 1;
    if not found then
      return ('stop', 0, 'lease_lost', 0, 0, null)::permit_answer;
    end if;
  end if;
  return v_answer;
end $$;

-- Asked at the end of a long wait: a bucket that was paused meanwhile, a cancelled job, a lost lease withdraw what was permitted. Pauses of the
-- connection do not: one may be the rest of those for whom there was no place, and this call has one. p_ahead_ms: so long before the call is due.
create function queue_confirm_permit(
  p_worker uuid, p_lane text, p_fence bigint, p_job uuid, p_connection uuid, p_epoch bigint, p_bucket text,
  p_ahead_ms integer) returns permit_answer language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
declare
  v_reason text := permit_refusal(p_worker, p_lane, p_fence, p_job, p_connection, p_epoch, false);
  v_wait integer;
begin
  if v_reason is not null then
    return ('stop', 0, v_reason, 0, 0, null)::permit_answer;
  end if;
  select ceil(extract(epoch from b.paused_until - app_now()) * 1000)::integer into v_wait from buckets b where b.key = p_bucket;
  if v_wait > p_ahead_ms then
    return ('at', v_wait, 'limited', 0, 0, null)::permit_answer;
  end if;
  return ('go', 0, null, 0, 0, null)::permit_answer;
end $$;

-- Pauses a bucket for every worker at once (429, or a window that is used up); a later pause wins.
create function bucket_pause(p_bucket text, p_ms bigint) returns void language sql volatile as $$
  update buckets b set paused_until = greatest(b.paused_until, app_now() + p_ms * interval '1 ms') where b.key = p_bucket;
$$;

-- The call that stands under p_sent_at may have been counted so much later than it was permitted: it holds its place for longer.
create function bucket_late(p_bucket text, p_sent_at timestamptz, p_late_ms bigint) returns void language plpgsql volatile as $$
begin
  -- One call alone: several may stand under one time, those that waited for the end of a pause.
  update buckets b set sent[array_position(b.sent, p_sent_at)] = p_sent_at + p_late_ms * interval '1 ms'
  where b.key = p_bucket and p_sent_at = any(b.sent);
end $$;

-- The provider's answer to the call that stands under p_sent_at says that nothing is left of this window. If we used it up ourselves, our own
-- count knows when there is room again, and better than a reset in whole seconds; if we did not, others share the limit, and everybody waits
-- for the reset, a window at most. Counted is what the provider may have counted with that call: what reached it late was permitted longer
-- ago than a window, by a tenth of it at most. Resting in vain costs a window; going on in vain costs an answer of 429, which names the wait.
create function bucket_used_up(p_bucket text, p_sent_at timestamptz, p_reset_ms bigint) returns void language plpgsql volatile as $$
declare
  v_bucket buckets%rowtype;
  v_since timestamptz;
begin
  perform 1 from buckets b where b.key = p_bucket for update;
  select * into v_bucket from buckets b where b.key = p_bucket;
  v_since := p_sent_at - v_bucket.window_ms * interval '1.1 ms';
  if (select count(*) from unnest(v_bucket.sent) s where s > v_since) < v_bucket.budget then
    update buckets b set paused_until = greatest(b.paused_until, app_now() + least(p_reset_ms, v_bucket.window_ms) * interval '1 ms')
    where b.key = p_bucket;
  end if;
end $$;

-- What the provider says of its own limit corrects ours: downwards at once, upwards by a tenth a minute and never above what was configured
-- or said, whichever is higher.
create function bucket_correct(p_bucket text, p_said integer) returns void language sql volatile as $$
  update buckets b set
    budget = case when p_said <= b.budget then p_said
                  when b.raised_at is null or b.raised_at < app_now() - interval '1 minute' then least(p_said, b.budget + greatest(1, b.budget / 10))
                  else b.budget end,
    raised_at = case when p_said > b.budget and (b.raised_at is null or b.raised_at < app_now() - interval '1 minute') then app_now() else b.raised_at end
  where b.key = p_bucket and b.budget <> p_said;
$$;

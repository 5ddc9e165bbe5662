-- The exactly-once ledger: the steps that must lock before they read, and what is asked on the way of every document.
-- A link that is known is looked up by its id alone: `superseded_at is null` would offer the planner the index of all that are not superseded,
-- and a plan from when that was small reads it from end to end for each call. num_nulls says the same in words that it does not understand.

-- Claims the right to create one record. Verdicts:
--   'mine'     the caller holds the key and nothing was sent (looked_ago_ms: when a search last found nothing)
--   'have'     the record exists (state linked or accepted)
--   'busy'     another lane is at it: come back in wait_ms
--   'in_doubt' a worker died in the middle: the record may still appear, come back in wait_ms
--   'look'     its time to appear is over: look for what was sent among what was created since created_at; then adopt it, or claim again
--              with link_found_nothing
--   'lost'     the caller's own fence is stale
--
-- Example. Lane A's worker dies after its POST, 1 s before send_until; the visibility delay is 30 s. Lane B claims the same key: 'in_doubt',
-- 31,000 ms. It claims again after that: 'look'. It finds nothing: link_found_nothing, and its next claim answers 'mine'.
create or replace function link_claim(
  p_firm uuid, p_platform text, p_region text, p_account text, p_kind text, p_effect_key text, p_record uuid, p_parent uuid, p_sha256 text,
  p_lane text, p_fence bigint, p_visibility_delay_ms integer,
  out verdict text, out link_id uuid, out external_id text, out state text, out wait_ms integer, out looked_ago_ms bigint,
  out transferred boolean, out version text, out created_at timestamptz, out sent jsonb)
language plpgsql volatile set plan_cache_mode = force_generic_plan set role = casehug_worker as $$
#variable_conflict use_column
declare
  v_link links%rowtype;
  v_now timestamptz;
  v_appears timestamptz;
begin
  wait_ms := 0;
  transferred := false;
  insert into links as k (id, firm_id, platform, region, account_id, kind, effect_key, state, record_id, parent_id, sha256, holder_lane, holder_fence,
    created_at)
  values (gen_random_uuid(), p_firm, p_platform, p_region, p_account, p_kind, p_effect_key, 'claimed', p_record, p_parent, p_sha256, p_lane, p_fence,
    app_now())
  on conflict (firm_id, platform, region, account_id, kind, effect_key) where superseded_at is null do update set swept = k.swept
  returning k.id into link_id;
  select * into v_link from links k where k.id = link_id;
  v_now := app_now();
  if not link_holder_is_live(p_lane, p_fence) then
    verdict := 'lost';
    link_id := null;
    return;
  end if;
  state := v_link.state;
  if v_link.state <> 'linked' and (v_link.holder_lane, v_link.holder_fence) is distinct from (p_lane, p_fence)
    and link_holder_is_live(v_link.holder_lane, v_link.holder_fence) then
    verdict := 'busy';
    wait_ms := 500;
    return;
  end if;
  case v_link.state
  when 'linked', 'accepted' then
    if v_link.state = 'accepted' then
      update links k set holder_lane = p_lane, holder_fence = p_fence where k.id = v_link.id;
    end if;
    verdict := 'have';
    external_id := v_link.external_id;
    transferred := v_link.transferred_at is not null;
    version := v_link.version;
  when 'creating' then
    -- A doubt older than this intent is another one, which has its own two looks: a permit waits 2 s and sends for 3 s at most.
    update links k set doubted_at = v_now, swept = 0
    where k.id = v_link.id and coalesce(k.doubted_at < k.send_until - interval '5 s', true);
    v_appears := v_link.send_until + p_visibility_delay_ms * interval '1 ms';
    if v_now < v_appears then
      verdict := 'in_doubt';
      wait_ms := ceil(extract(epoch from v_appears - v_now) * 1000)::integer;
      return;
    end if;
    update links k set holder_lane = p_lane, holder_fence = p_fence where k.id = v_link.id;
    verdict := 'look';
    created_at := v_link.created_at;
    sent := v_link.sent;
  else
    update links k set holder_lane = p_lane, holder_fence = p_fence, parent_id = p_parent, sha256 = p_sha256
    where k.id = v_link.id and (k.holder_lane, k.holder_fence, k.parent_id, k.sha256) is distinct from (p_lane, p_fence, p_parent, p_sha256);
    verdict := 'mine';
    looked_ago_ms := (extract(epoch from v_now - v_link.looked_at) * 1000)::bigint;
  end case;
end $$;

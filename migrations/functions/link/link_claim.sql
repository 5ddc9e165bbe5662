-- The exactly-once ledger: the steps that must lock before they read, and what is asked on the way of every document.
-- A link that is known is looked up by its id alone. `superseded_at is null` would offer the planner the index of all
-- that are not superseded, and a plan from when that was small reads it from end to end for each call. num_nulls says
-- the same in words that the planner does not understand.

-- Claims the right to create one record. Verdicts:
--   'mine'        the caller holds the key and nothing was sent (looked_ago_ms: when a search last found nothing)
--   'have'        the record exists (state linked or accepted).
--                 next_look_ms: it was accepted and no search has found it yet. This claim is its next look, and the
--                 look after it may come in that time.
--                 linked_before: it stood before the caller's job was asked for.
--                 missing: the last read did not find it.
--   'not_visible' it was accepted, and its next look is due in wait_ms
--   'busy'        another lane is at it: come back in wait_ms
--   'in_doubt'    a worker died in the middle: the record may still appear, come back in wait_ms
--   'look'        its time to appear is over: look for what was sent among what was created since created_at (the
--                 intent's time). Then adopt it, or claim again with link_found_nothing.
--   'lost'        the caller's own fence is stale
--
-- Example. Lane A's worker dies after its POST, 1 s before send_until; the visibility delay is 30 s. Lane B claims the
-- same key: 'in_doubt', 31,000 ms. It claims again after that: 'look'. It finds nothing: link_found_nothing, and its
-- next claim answers 'mine'.
create or replace function link_claim(
  p_firm uuid, p_platform text, p_region text, p_account text, p_kind text, p_effect_key text, p_record uuid,
  p_parent uuid, p_sha256 text, p_lane text, p_fence bigint, p_visibility_delay_ms integer,
  out verdict text, out link_id uuid, out external_id text, out state text, out wait_ms integer,
  out looked_ago_ms bigint, out transferred_ago_ms bigint, out version text, out created_at timestamptz,
  out sent jsonb, out sha256 text, out linked_before boolean, out next_look_ms bigint, out missing boolean)
language plpgsql volatile set plan_cache_mode = force_generic_plan set role = casehug_worker as $$
#variable_conflict use_column
declare
  v_link links%rowtype;
  v_now timestamptz;
  v_appears timestamptz;
begin
  wait_ms := 0;
  linked_before := false;
  missing := false;
  insert into links as link (
    id, firm_id, platform, region, account_id, kind, effect_key,
    state, record_id, parent_id, sha256, holder_lane, holder_fence, created_at)
  values (
    gen_random_uuid(), p_firm, p_platform, p_region, p_account, p_kind, p_effect_key,
    'claimed', p_record, p_parent, p_sha256, p_lane, p_fence, app_now())
  on conflict (firm_id, platform, region, account_id, kind, effect_key) where superseded_at is null
    do update set swept = link.swept
  returning link.id into link_id;
  select * into v_link from links link where link.id = link_id;
  v_now := app_now();
  if not link_holder_is_live(p_lane, p_fence) then
    verdict := 'lost';
    link_id := null;
    return;
  end if;
  state := v_link.state;
  if v_link.state = 'accepted' and v_link.next_look_at > v_now then
    verdict := 'not_visible';
    wait_ms := ceil(extract(epoch from v_link.next_look_at - v_now) * 1000)::integer;
    return;
  end if;
  if v_link.state <> 'linked' and (v_link.holder_lane, v_link.holder_fence) is distinct from (p_lane, p_fence)
    and link_holder_is_live(v_link.holder_lane, v_link.holder_fence) then
    verdict := 'busy';
    wait_ms := 500;
    return;
  end if;
  case v_link.state
  when 'linked', 'accepted' then
    if v_link.state = 'accepted' then
      -- All lanes that wait for the record share its looks: the one that has this claim makes this look.
      update links link set
        holder_lane = p_lane,
        holder_fence = p_fence,
        looks = link.looks + 1,
        next_look_at = case when link.next_look_at is not null then v_now + link_look_interval(link.looks + 1) end
      where link.id = v_link.id
      returning (extract(epoch from link.next_look_at - v_now) * 1000)::bigint into next_look_ms;
    end if;
    verdict := 'have';
    external_id := v_link.external_id;
    transferred_ago_ms := (extract(epoch from v_now - v_link.transferred_at) * 1000)::bigint;
    version := v_link.version;
    sha256 := v_link.sha256;
    linked_before := link_precedes_job(v_link.linked_at, p_lane, p_fence);
    missing := v_link.missing_since is not null;
  when 'creating' then
    -- A doubt older than this intent is another one, which has its own two looks: a permit waits 2 s and sends for 3 s
    -- at most.
    update links link set doubted_at = v_now, swept = 0
    where link.id = v_link.id and coalesce(link.doubted_at < link.send_until - interval '5 s', true);
    v_appears := v_link.send_until + p_visibility_delay_ms * interval '1 ms';
    if v_now < v_appears then
      verdict := 'in_doubt';
      wait_ms := ceil(extract(epoch from v_appears - v_now) * 1000)::integer;
      return;
    end if;
    update links link set holder_lane = p_lane, holder_fence = p_fence where link.id = v_link.id;
    verdict := 'look';
    -- The intent was written 2 s of waiting and 3 s of sending before this, at the earliest.
    created_at := v_link.send_until - interval '10 s';
    sent := v_link.sent;
  else
    -- Also the record: clients with one e-mail meet in one link, and its doubt belongs to the one that sends.
    update links link set holder_lane = p_lane, holder_fence = p_fence, record_id = p_record,
      parent_id = p_parent, sha256 = p_sha256
    where link.id = v_link.id
      and (link.holder_lane, link.holder_fence, link.record_id, link.parent_id, link.sha256)
        is distinct from (p_lane, p_fence, p_record, p_parent, p_sha256);
    verdict := 'mine';
    looked_ago_ms := (extract(epoch from v_now - v_link.looked_at) * 1000)::bigint;
  end case;
end $$;

-- Claims the right to create one record. Verdicts:
--   'mine'   the caller holds the key and nothing was sent (looked_ago_ms: when a search last found nothing)
--   'have'   the record exists (state linked or accepted)
--   'busy'   another lane is at it: come back in wait_ms
--   'in_doubt' a worker died in the middle: the record may still appear, come back in wait_ms
--   'look'   it has settled: look for it among what was created since created_at; then adopt it, or claim again with link_found_nothing
--   'lost'   the caller's own fence is stale
create or replace function link_claim(
  p_firm uuid, p_platform text, p_region text, p_account text, p_kind text, p_effect_key text, p_record uuid, p_parent uuid, p_sha256 text,
  p_lane text, p_fence bigint, p_visibility_delay_ms integer) returns link_claim language plpgsql volatile set plan_cache_mode = force_generic_plan set role = casehug_worker as $$
declare
  v_id uuid;
  v_link links%rowtype;
  v_now timestamptz;
begin
  insert into links as k (id, firm_id, platform, region, account_id, kind, effect_key, state, record_id, parent_id, sha256, holder_lane, holder_fence, created_at)
  values (gen_random_uuid(), p_firm, p_platform, p_region, p_account, p_kind, p_effect_key, 'claimed', p_record, p_parent, p_sha256, p_lane, p_fence, app_now())
  on conflict (firm_id, platform, region, account_id, kind, effect_key) where superseded_at is null do update set swept = k.swept
  returning k.id into v_id;
  select * into v_link from links k where k.id = v_id;
  v_now := app_now();
  if not link_holder_is_live(p_lane, p_fence) then
    return ('lost', null, null, null, 0, null, false, null, null)::link_claim;
  end if;
  if v_link.state in ('linked', 'accepted') then
    if v_link.state = 'accepted' then
      if (v_link.holder_lane, v_link.holder_fence) is distinct from (p_lane, p_fence) and link_holder_is_live(v_link.holder_lane, v_link.holder_fence) then
        return ('busy', v_link.id, null, v_link.state, 500, null, false, null, null)::link_claim;
      end if;
      update links k set holder_lane = p_lane, holder_fence = p_fence where k.id = v_link.id;
    end if;
    return ('have', v_link.id, v_link.external_id, v_link.state, 0, null, v_link.transferred_at is not null, v_link.version, null)::link_claim;
  end if;
  if (v_link.holder_lane, v_link.holder_fence) is distinct from (p_lane, p_fence) and link_holder_is_live(v_link.holder_lane, v_link.holder_fence) then
    return ('busy', v_link.id, null, v_link.state, 500, null, false, null, null)::link_claim;
  end if;
  if v_link.state = 'creating' then
    update links k set doubted_at = coalesce(k.doubted_at, v_now) where k.id = v_link.id;
    if v_now < v_link.send_until + p_visibility_delay_ms * interval '1 ms' then
      return ('in_doubt', v_link.id, null, v_link.state,
        ceil(extract(epoch from v_link.send_until + p_visibility_delay_ms * interval '1 ms' - v_now) * 1000)::integer, null, false, null, null)::link_claim;
    end if;
    update links k set holder_lane = p_lane, holder_fence = p_fence where k.id = v_link.id;
    return ('look', v_link.id, null, v_link.state, 0, null, false, null, v_link.created_at)::link_claim;
  end if;
  update links k set holder_lane = p_lane, holder_fence = p_fence, parent_id = p_parent, sha256 = p_sha256
  where k.id = v_link.id and (k.holder_lane, k.holder_fence, k.parent_id, k.sha256) is distinct from (p_lane, p_fence, p_parent, p_sha256);
  return ('mine', v_link.id, null, 'claimed', 0, (extract(epoch from v_now - v_link.looked_at) * 1000)::bigint, false, null, null)::link_claim;
end $$;

-- The exactly-once ledger: the steps that must lock before they read, and what is asked on the way of every document.
-- A link that is known is looked up by its id alone: `superseded_at is null` would offer the planner the index of all that are not superseded,
-- and a plan from when that was small reads it from end to end for each call. num_nulls says the same in words that it does not understand.

create type link_claim as (verdict text, link_id uuid, external_id text, state text, wait_ms integer, looked_ago_ms bigint, transferred boolean, version text,
  created_at timestamptz);

-- True while the lane and fence that hold a link are at work: a worker that is alive runs that lane under that very fence.
create function link_holder_is_live(p_lane text, p_fence bigint) returns boolean language plpgsql volatile as $$
begin
  return exists (
    select 1 from lanes l join workers w on w.id = l.worker
    where l.key = p_lane and l.fence = p_fence and w.alive_until > app_now());
end $$;

-- Claims the right to create one record. Verdicts:
--   'mine'   the caller holds the key and nothing was sent (looked_ago_ms: when a search last found nothing)
--   'have'   the record exists (state linked or accepted)
--   'busy'   another lane is at it: come back in wait_ms
--   'settle' somebody died in the middle: it may still appear, come back in wait_ms
--   'look'   it has settled: look for it among what was created since created_at; then adopt it, or claim again with link_found_nothing
--   'lost'   the caller's own fence is stale
create function link_claim(
  p_firm uuid, p_platform text, p_region text, p_account text, p_kind text, p_effect_key text, p_record uuid, p_parent uuid, p_sha256 text,
  p_lane text, p_fence bigint, p_settle_ms integer) returns link_claim language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
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
    if v_now < v_link.send_until + p_settle_ms * interval '1 ms' then
      return ('settle', v_link.id, null, v_link.state,
        ceil(extract(epoch from v_link.send_until + p_settle_ms * interval '1 ms' - v_now) * 1000)::integer, null, false, null, null)::link_claim;
    end if;
    update links k set holder_lane = p_lane, holder_fence = p_fence where k.id = v_link.id;
    return ('look', v_link.id, null, v_link.state, 0, null, false, null, v_link.created_at)::link_claim;
  end if;
  update links k set holder_lane = p_lane, holder_fence = p_fence, parent_id = p_parent, sha256 = p_sha256
  where k.id = v_link.id and (k.holder_lane, k.holder_fence, k.parent_id, k.sha256) is distinct from (p_lane, p_fence, p_parent, p_sha256);
  return ('mine', v_link.id, null, 'claimed', 0, (extract(epoch from v_now - v_link.looked_at) * 1000)::bigint, false, null, null)::link_claim;
end $$;

-- Writes the end of a creation, or the record that a look found. False when the caller's fence no longer holds the link.
create function link_settle(p_link uuid, p_lane text, p_fence bigint, p_state text, p_external_id text, p_version text) returns boolean language plpgsql volatile as $$
begin
  update links k set state = p_state, external_id = p_external_id, version = coalesce(p_version, k.version), linked_at = case when p_state = 'linked' then app_now() end
  where k.id = p_link and k.holder_lane = p_lane and k.holder_fence = p_fence and num_nulls(k.superseded_at) = 1;
  return found;
end $$;

-- A document's bytes have been transferred: a later execution need not send them again.
create function link_set_transferred(p_link uuid, p_lane text, p_fence bigint) returns boolean language plpgsql volatile as $$
begin
  update links k set transferred_at = app_now() where k.id = p_link and k.holder_lane = p_lane and k.holder_fence = p_fence;
  return found;
end $$;

-- A search found nothing, or the provider answered that it refused: nothing of ours is there. The key stays claimed by the caller.
create function link_found_nothing(p_link uuid, p_lane text, p_fence bigint) returns boolean language plpgsql volatile as $$
begin
  update links k set state = 'claimed', send_until = null, looked_at = app_now()
  where k.id = p_link and k.holder_lane = p_lane and k.holder_fence = p_fence and k.state in ('claimed', 'creating') and num_nulls(k.superseded_at) = 1;
  return found;
end $$;

-- Another document of the same matter with the same bytes, already at the provider; nothing when the document itself is there.
-- One step in an index for each question, with `limit`: written as `not exists`, it is joined to all links, by a plan made when they were few.
create function link_find_same_bytes(p_matter uuid, p_sha256 text, p_effect_key text, out record_id uuid, out external_id text)
language plpgsql volatile set enable_seqscan = off as $$
begin
  select s.record_id, s.external_id into record_id, external_id from links s
  where s.parent_id = p_matter and s.sha256 = p_sha256 and s.effect_key <> p_effect_key and s.state = 'linked' and num_nulls(s.superseded_at) = 1
    and (select o.id from links o
      where o.firm_id = s.firm_id and o.platform = s.platform and o.region = s.region and o.account_id = s.account_id
        and o.kind = s.kind and o.effect_key = p_effect_key and o.state = 'linked' and o.superseded_at is null limit 1) is null
  order by s.linked_at limit 1;
end $$;

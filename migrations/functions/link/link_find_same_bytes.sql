-- Another document of the same matter with the same bytes, already at the provider; nothing when the document itself is there.
-- One step in an index for each question, with `limit`: written as `not exists`, it is joined to all links, by a plan made when they were few.
create or replace function link_find_same_bytes(
  p_matter uuid, p_sha256 text, p_effect_key text, p_lane text, p_fence bigint,
  out link_id uuid, out record_id uuid, out external_id text, out linked_before boolean, out missing boolean)
language plpgsql volatile set enable_seqscan = off set role = casehug_worker as $$
begin
  select s.id, s.record_id, s.external_id, link_precedes_job(s.linked_at, p_lane, p_fence), s.missing_since is not null
  into link_id, record_id, external_id, linked_before, missing from links s
  where s.parent_id = p_matter and s.sha256 = p_sha256 and s.effect_key <> p_effect_key and s.state = 'linked' and num_nulls(s.superseded_at) = 1
    and (select o.id from links o
      where o.firm_id = s.firm_id and o.platform = s.platform and o.region = s.region and o.account_id = s.account_id
        and o.kind = s.kind and o.effect_key = p_effect_key and o.state = 'linked' and o.superseded_at is null limit 1) is null
  order by s.linked_at limit 1;
end $$;

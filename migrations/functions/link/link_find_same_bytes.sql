-- Another document of the same matter with the same bytes, already at the provider. Nothing when the document itself is
-- at the provider.
-- One step in an index for each question, with `limit`: written as `not exists`, it is joined to all links, by a plan
-- made when they were few.
create or replace function link_find_same_bytes(
  p_matter uuid, p_sha256 text, p_effect_key text, p_lane text, p_fence bigint,
  out link_id uuid, out record_id uuid, out external_id text, out linked_before boolean, out missing boolean)
language plpgsql volatile set enable_seqscan = off set role = casehug_worker as $$
begin
  select same.id, same.record_id, same.external_id, link_precedes_job(same.linked_at, p_lane, p_fence),
      same.missing_since is not null
    into link_id, record_id, external_id, linked_before, missing
  from links same
  where same.parent_id = p_matter and same.sha256 = p_sha256 and same.effect_key <> p_effect_key
    and same.state = 'linked' and num_nulls(same.superseded_at) = 1
    and (
      select own.id
      from links own
      where own.firm_id = same.firm_id and own.platform = same.platform and own.region = same.region
        and own.account_id = same.account_id and own.kind = same.kind and own.effect_key = p_effect_key
        and own.state = 'linked' and own.superseded_at is null
      limit 1) is null
  order by same.linked_at
  limit 1;
end $$;

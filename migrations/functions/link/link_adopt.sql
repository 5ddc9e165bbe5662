-- Links a record that a person has chosen. False where another lane is at the link, where the link stands already or is
-- history, and where the record stands for another one of CaseHug's.
-- A document becomes 'accepted': nobody knows whether the provider has its bytes, so the job sends them again.
create or replace function link_adopt(p_link uuid, p_external_id text) returns boolean
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_link links%rowtype;
begin
  perform 1 from links link where link.id = p_link for update;
  select * into v_link from links link where link.id = p_link;
  -- One choice of a record at a time.
  perform pg_advisory_xact_lock(hashtextextended(
    concat_ws(' ', v_link.firm_id, v_link.platform, v_link.region, v_link.account_id, v_link.kind, p_external_id), 11));
  if v_link.id is null or v_link.superseded_at is not null or v_link.state not in ('claimed', 'creating')
    or link_lane_runs(v_link.holder_lane, v_link.holder_fence)
    or exists (
      select 1
      from links other
      where other.firm_id = v_link.firm_id and other.platform = v_link.platform and other.region = v_link.region
        and other.account_id = v_link.account_id and other.kind = v_link.kind
        and other.external_id = p_external_id and other.superseded_at is null)
  then
    return false;
  end if;
  update links link set
    state = case when link.kind = 'document' then 'accepted' else 'linked' end,
    external_id = p_external_id,
    linked_at = case when link.kind <> 'document' then app_now() end,
    looks = 0, missing_since = null, next_look_at = null, swept = 2
  where link.id = p_link;
  return true;
end $$;

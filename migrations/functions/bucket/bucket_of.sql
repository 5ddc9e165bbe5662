-- The bucket that a connection's calls are taken from: as the platform counts, by token, by firm, or by CaseHug's
-- client id in a region.
create or replace function bucket_of(p_platform text, p_region text, p_firm uuid, p_connection uuid) returns text
language sql stable as $$
  select p_platform || case profile.counted_by
    when 'token' then ':' || p_connection
    when 'firm' then ':firm:' || p_firm
    else ':client:' || p_region end
  from platforms profile
  where profile.platform = p_platform;
$$;

-- The storage of files of a region refused the bytes of a connection. When it has done so for p_least connections and
-- has taken no bytes in between, it is closed: only one job at a time tries it, after p_wait_ms at first and after
-- twice the time whenever one has tried in vain. Returns what changed: 'opened' its breaker, 'failed' a try, or null.
--
-- Example. p_least is 3. The bytes of connections A, A, B and C are refused: null, null, null, 'opened'. A transfer of
-- D that had begun before is refused: null. The job that tries is refused: 'failed', and the next try is in 60 s.
create or replace function storage_failed(
  p_platform text, p_region text, p_connection uuid, p_was_try boolean, p_least integer, p_wait_ms bigint,
  p_longest_ms bigint)
returns text language plpgsql volatile as $$
declare
  v_row storages%rowtype;
begin
  insert into storages as storage (platform, region, troubled) values (p_platform, p_region, array[p_connection])
  on conflict (platform, region) do update set
    troubled = case
      when p_connection = any(storage.troubled) or cardinality(storage.troubled) >= p_least then storage.troubled
      else storage.troubled || p_connection end
  returning * into v_row;
  if v_row.try_at is null and cardinality(v_row.troubled) >= p_least then
    update storages storage set try_at = app_now() + p_wait_ms * interval '1 ms'
    where storage.platform = p_platform and storage.region = p_region;
    return 'opened';
  elsif v_row.try_at is not null and p_was_try then
    update storages storage set
      tries = storage.tries + 1,
      try_at = app_now()
        + least(p_longest_ms, p_wait_ms * (2 ^ least(storage.tries + 1, 20))::bigint) * interval '1 ms'
    where storage.platform = p_platform and storage.region = p_region;
    return 'failed';
  end if;
  return null;
end $$;

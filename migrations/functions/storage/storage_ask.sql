-- Whether a job may send bytes to the storage of files of a platform's region. wait_ms: it looks again after this time;
-- null where it may. is_try: the storage is closed, and this job tries it; no other job does so for p_wait_ms.
--
-- Example. Clio's storage was closed at 10:00:00 for 30 s. Asked at 10:00:10: wait_ms 20,000. Asked at 10:00:31:
-- is_try. Asked again at 10:00:32, with p_wait_ms 60,000: wait_ms 59,000.
create or replace function storage_ask(
  p_platform text, p_region text, p_wait_ms bigint, out wait_ms bigint, out is_try boolean)
language plpgsql volatile as $$
declare
  v_now timestamptz;
  v_row storages%rowtype;
begin
  is_try := false;
  if not exists (
    select 1 from storages storage
    where storage.platform = p_platform and storage.region = p_region and storage.try_at is not null)
  then
    return;
  end if;
  perform 1 from storages storage
  where storage.platform = p_platform and storage.region = p_region
  for update;
  v_now := app_now();
  select * into v_row from storages storage
  where storage.platform = p_platform and storage.region = p_region;
  if v_row.try_at > v_now then
    wait_ms := (extract(epoch from v_row.try_at - v_now) * 1000)::bigint;
  elsif v_row.try_at is not null then
    is_try := true;
    update storages storage set try_at = v_now + p_wait_ms * interval '1 ms'
    where storage.platform = p_platform and storage.region = p_region;
  end if;
end $$;

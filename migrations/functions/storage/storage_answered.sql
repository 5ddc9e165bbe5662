-- The storage of files of a region took bytes: all may send again. True when it was closed.
create or replace function storage_answered(p_platform text, p_region text) returns boolean
language plpgsql volatile as $$
declare
  v_closed boolean;
begin
  delete from storages storage where storage.platform = p_platform and storage.region = p_region
  returning storage.try_at is not null into v_closed;
  return coalesce(v_closed, false);
end $$;

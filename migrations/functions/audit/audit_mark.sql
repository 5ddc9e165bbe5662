-- Where a pass over what changed begins: what the next one has to know.
create or replace function audit_mark(out began_at timestamptz, out fence bigint, out held text[])
language plpgsql volatile set enable_seqscan = off as $$
begin
  began_at := app_now();
  fence := coalesce(pg_sequence_last_value('fence_seq'), 0);
  held := array(select lane.key from lanes lane where lane.worker is not null);
end $$;

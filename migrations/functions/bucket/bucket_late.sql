-- The call that stands under p_sent_at may have been counted so much later than it was permitted: it holds its place for longer.
create or replace function bucket_late(p_bucket text, p_sent_at timestamptz, p_late_ms bigint) returns void language plpgsql volatile as $$
begin
  -- One call alone: several may stand under one time, those that waited for the end of a pause.
  update buckets b set sent[array_position(b.sent, p_sent_at)] = p_sent_at + p_late_ms * interval '1 ms'
  where b.key = p_bucket and p_sent_at = any(b.sent);
end $$;

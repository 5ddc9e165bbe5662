-- The provider may have counted the call that stands under p_sent_at up to p_late_ms later than it was permitted: the
-- call holds its place for longer.
create or replace function bucket_late(p_bucket text, p_sent_at timestamptz, p_late_ms bigint) returns void
language plpgsql volatile as $$
begin
  -- One call alone: several may stand under one time, those that waited for the end of a pause.
  update buckets bucket set
    sent[array_position(bucket.sent, p_sent_at)] = p_sent_at + p_late_ms * interval '1 ms'
  where bucket.key = p_bucket and p_sent_at = any(bucket.sent);
end $$;

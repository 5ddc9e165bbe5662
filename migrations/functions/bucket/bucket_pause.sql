-- Pauses a bucket for every worker at once (429, or a window that is used up); a later pause wins.
create or replace function bucket_pause(p_bucket text, p_ms bigint) returns void language sql volatile as $$
  update buckets bucket set paused_until = greatest(bucket.paused_until, app_now() + p_ms * interval '1 ms')
  where bucket.key = p_bucket;
$$;

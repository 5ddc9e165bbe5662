-- Batches: a retry of many failed jobs, in their original order, no faster than their connections' budgets allow.
-- One worker at a time works them off (advisory lock), in short steps. A step's retries, its marks and its counts are
-- one commit. So a worker that dies in the middle leaves a batch that the next one goes on with, and no job
-- is retried twice.
-- Lock order: lanes in key order, then batches in id order, then the batches' jobs, which no other transaction writes.

-- At most this many jobs of batches stand ready at a connection: what its bucket allows in a minute. Each job takes a
-- call or more, so a batch never puts more in front of a connection's other work than a minute's budget. Its lanes come
-- last among those (background).
create or replace function batch_pace(p_platform text, p_region text, p_firm uuid, p_connection uuid) returns integer
language sql volatile as $$
  select least(greatest(coalesce(
    (select (bucket.budget::bigint * 60000 / bucket.window_ms)::integer
     from buckets bucket
     where bucket.key = bucket_of(p_platform, p_region, p_firm, p_connection)),
    (select profile.pace from platforms profile where profile.platform = p_platform)), 1), 500);
$$;

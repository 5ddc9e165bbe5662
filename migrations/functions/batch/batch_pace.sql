-- Batches: a retry of many failed jobs, in their original order, no faster than their connections' budgets allow.
-- One worker at a time works them off (advisory lock), in short steps; a step's retries, its marks and its counts are one commit, so that a
-- worker that dies in the middle leaves a batch that the next one goes on with, and no job is retried twice.
-- Lock order: lanes in key order, then batches in id order, then the batches' jobs, which nobody else writes.

-- So many jobs of batches stand ready at a connection at most: what its bucket allows in a minute. Each job takes a call or more, so a batch
-- never puts more in front of a connection's other work than a minute's budget, and its lanes come last among those (background).
create or replace function batch_pace(p_platform text, p_region text, p_firm uuid, p_connection uuid) returns integer language sql volatile as $$
  select least(greatest(coalesce(
    (select (b.budget::bigint * 60000 / b.window_ms)::integer from buckets b where b.key = bucket_of(p_platform, p_region, p_firm, p_connection)),
    (select p.pace from platforms p where p.platform = p_platform)), 1), 500);
$$;

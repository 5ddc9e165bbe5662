-- Whether more suspect lanes wait than workers run alone.
--
-- Example. 40 suspect lanes are due. One worker runs alone, and its lease is good: true. When one lane waits: false.
create or replace function queue_lacks_alone() returns boolean
language sql volatile set enable_seqscan = off as $$
  select (select count(*) from queue_suspects(100))
    > (select count(*) from workers worker where worker.alone and worker.alive_until > app_now());
$$;

-- Whether more suspect lanes wait than workers that run alone have nothing to do.
--
-- Example. 40 suspect lanes are due. One worker runs alone, its lease is good, and it holds a lane: true. When one lane
-- waits, and the worker holds none: false.
create or replace function queue_lacks_alone() returns boolean
language sql volatile set enable_seqscan = off as $$
  select (select count(*) from queue_suspects(100))
    > (
      select count(*) from workers worker
      where worker.alone and worker.alive_until > app_now()
        and not exists (select 1 from lanes lane where lane.suspect and lane.worker is not distinct from worker.id));
$$;

-- lanes: the head of a suspect lane is a job that two workers died with. Only a worker that runs alone takes it.
-- workers: one that runs alone takes suspect lanes and nothing else, one at a time. started_by is the worker that has
-- started its process, on the same machine.
alter table lanes add column suspect boolean not null default false;
alter table workers add column alone boolean not null default false, add column started_by uuid;
create index lanes_suspect on lanes (connection_id) where suspect;
drop function if exists queue_register(uuid, text, integer);
drop function if exists queue_choose_lanes(connection_visit[], timestamptz, integer, integer);

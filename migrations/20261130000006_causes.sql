-- jobs: cause is a failed job's message without what differs from job to job, made when it fails: the list of failures
-- groups by it. Null where the job has not failed, or failed under an older release.
alter table jobs add column cause text collate "C";

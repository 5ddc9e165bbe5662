-- job_outcome: whether the job's action is one that firms are told of (sync_matter, sync_document, pull_matters): these
-- alone say when a connection was last synced and how. Null where an older worker ended the job.
alter type job_outcome add attribute published boolean;

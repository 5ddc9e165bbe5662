-- The types of the queue's functions: what they take and answer. A field is only ever added, at the end.

-- A job to be placed; seq is its place in the lane, note_join whether its id was told to somebody and needs a row even if it joins.
create type new_job as (
  id uuid, firm_id uuid, connection_id uuid, lane text collate "C", kind text, priority smallint, matter_id uuid, upload_id uuid, explicit boolean,
  run_id uuid, dedupe_key text collate "C", event_ids text[], seq bigint, note_join boolean);

-- What a visit of a connection needs and finds. ready_floor and first_fence_floor are what the worker remembers of its last visit: no lane of the
-- connection is ready since before the one, none held since before the other; so a look starts behind the rows that are long dead, also
-- while an old transaction keeps them from being removed. Neither needs to be remembered: '-infinity' and 0 are always right.
create type connection_visit as (
  connection_id uuid, ready_floor timestamptz, first_fence_floor bigint, background_first boolean, paused_until timestamptz, capacity integer, capacity_others integer);

-- A row of a lease: a job that was taken (id not null), or what became of a visit (id null).
-- found: 'taken'; 'busy' (another worker is just visiting), 'paused', 'full' (more is due than its cap allows), 'more' (the worker's own slots
-- ended), 'clear' (nothing more is due, or what is due is locked by somebody for a moment). wait_ms: until when there is nothing to look for;
-- null when nobody knows. priority: of a visit 0 where something is left that a person waits for.
create type leased_job as (
  connection_id uuid, found text, wait_ms bigint, ready_floor timestamptz, first_fence_floor bigint,
  lane text collate "C", fence bigint, id uuid, firm_id uuid, kind text, matter_id uuid, upload_id uuid, explicit boolean, run_id uuid,
  event_ids text[], priority smallint, attempts integer, limited integer, age_ms bigint, cancelled boolean);

-- The heads of lanes: what each one's next job is.
create type lane_head as (lane text collate "C", job_id uuid, run_at timestamptz, priority smallint);

-- Finish: lanes whose key and fence still hold are locked, in key order, skip locked; all writes are for those alone.
-- What is not returned was locked by somebody (try again) or has another fence (drop it). A repeated finish is harmless.

-- What a worker says of one execution. effect: 'delete', 'fail' or 'later'. continue_lane: if the job has left and the lane's next one is due, the
-- worker takes it at once, under a new fence and with the same first fence.
create type job_outcome as (
  lane text collate "C", fence bigint, job_id uuid, effect text, delay_ms bigint, waiting_for text, counted boolean, limited integer, log_status text,
  code text, message text, external_id text, details jsonb, duration_ms integer, outcome text, calls jsonb, follow_ups jsonb, requeue_code text,
  probe boolean, continue_lane boolean);

-- A job whose outcome was written: where it stood in its lane, and what its follow-ups inherit.
create type ended_job as (lane text collate "C", fence bigint, effect text, continue_lane boolean, seq bigint, run_id uuid, follow_ups jsonb, requeue_code text);

-- What a lane is after its job: free, or held for its next job. fence is the one under which the job ran. person: somebody waits for the
-- lane, which is ready.
create type freed_lane as (
  lane text collate "C", fence bigint, connection_id uuid, ready boolean, person boolean, running_job uuid, running_fence bigint);

-- The permit: one statement before every call to a provider. It is the one place for five questions: does the fence hold,
-- is the connection's epoch the same, was the job cancelled, is anything paused, is there budget.
-- It answers 'go' (after wait_ms, the budget is reserved for then), 'at' (not before wait_ms, nothing reserved) or 'stop' (reason).
--
-- A bucket is a sliding log: the send times of its last calls. The row is locked first and read in the next statement,
-- so that no two workers count the same calls. The window is lengthened for the jitter between our clock and the provider's counting.

-- sent_at: under which time the call stands in the bucket; null when none was taken.
create type permit_answer as (verdict text, wait_ms integer, reason text, budget integer, used integer, sent_at timestamptz);

create type audit_finding as (rule text, lane text collate "C", job_id uuid, connection_id uuid, fence bigint);

-- The breaker: when a platform does not answer most of its connections, its work waits as one. After a while one connection tries with
-- one job; an answer lifts the pause for all, no answer doubles the wait. Judged every second by one worker.

-- What changed for a platform: 'opened', 'trying', 'failed' (tried in vain) or 'closed'.
create type breaker_change as (platform text, change text, troubled integer, called integer, wait_ms bigint);

-- Everything that is shown of jobs, in the order asked for: of those that are still there, and of those that live on as their log row.
create type described_job as (
  id uuid, firm_id uuid, connection_id uuid, platform text, kind text, state text, matter_id uuid, upload_id uuid, run_id uuid, priority smallint,
  created_at timestamptz, run_at timestamptz, finished_at timestamptz, attempts integer, executions integer, cancel_requested boolean,
  code text, message text, details jsonb, external_id text, why text, until timestamptz);

-- Lists of jobs that cost the same whatever lies in the tables: each page walks one index in its order, newest first, and looks at no more
-- rows than it was told to. So a page may be short, or empty, and still name where the next one begins.

-- What a list is narrowed to; null does not narrow. A type of its own, so that list, count and batch mean the same.
create type job_filter as (
  firm_id uuid, state text, platform text, kind text, matter_id uuid, code text, created_after timestamptz, created_before timestamptz);

-- What a person does to a job. Each act locks the job's lane first and reads the job in the next statement; what is true then, stays true.

-- outcome: what was done, 'wrong_state' when the job is not one that this can be done to, null when there is no such job.
-- due: connections of which a lane became ready: the caller tells the workers.
create type act_result as (outcome text, firm_id uuid, connection_id uuid, duplicate uuid, due uuid[]);

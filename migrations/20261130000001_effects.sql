-- What the exactly-once step keeps of records that are not seen yet, gone or rejected, and what jobs keep of their
-- waits.

-- links: an accepted record that no read has found yet is looked for at next_look_at, by one of all the jobs that wait
-- for it; looks counts them. A document without its bytes is accepted too and has no next_look_at.
-- missing_since: since when reads do not find the record. superseded_reason: 'gone' or 'rejected'.
alter table links
  add column next_look_at timestamptz,
  add column looks integer not null default 0,
  add column missing_since timestamptz,
  add column superseded_reason text;

-- Creations of one record under another key, in doubt or not seen yet.
drop index links_creating;
create index links_creating on links (firm_id, record_id) where state in ('creating', 'accepted');

-- jobs: waiting_since is since when a job waits for what has a time limit ('provider', 'contact', 'doubt'). Waits of
-- other kinds between leave it as it is.
alter table jobs add column waiting_since timestamptz;

-- schema_info: digest_check is a digest by which workers see that they have the key that the digests on links were made
-- with. The first worker writes it. The key is a setting (DIGEST_KEY) and no longer in the database.
alter table schema_info add column digest_check text, drop column link_hash_key;
grant update (digest_check) on schema_info to casehug_worker;

-- A bucket that firms share belongs to none of them: each sees how it stands, and a connect of any opens it.
create policy shared on buckets to casehug_firm using (firm_id is null) with check (firm_id is null);

alter type leased_job add attribute waiting_for text, add attribute waited_ms bigint;
alter type job_outcome add attribute waits_anew boolean;

-- Functions whose arguments or answers have changed; their files make them anew. No release has called the old ones. On
-- a new database they are not there yet.
drop function if exists link_claim, link_complete, link_find_same_bytes, link_set_swept, link_set_transferred,
  link_supersede, queue_finish;

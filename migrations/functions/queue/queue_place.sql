-- Puts jobs at their places in lanes whose locks the caller holds, or joins them to a waiting duplicate. A running job
-- is never joined.
--
-- Example. Jobs 1, 2 and 3 come for one lane, in this order of seq; 1 and 2 have dedupe_key 'x', 3 has none. No job of
-- the lane waits under 'x': 1 and 3 become rows of jobs, with a log row each, and 2 joins 1.
create or replace function queue_place(p_jobs new_job[]) returns void
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_now timestamptz := app_now();
  v_new new_job[] := p_jobs;
  v_joining new_job[];
  v_twins uuid[];
begin
  if exists (select 1 from unnest(p_jobs) job where job.dedupe_key is not null) then
    with numbered as (
      select job, row_number() over (partition by job.lane, job.dedupe_key order by job.seq) as nth
      from unnest(p_jobs) job),
    sorted as (
      select numbered.job,
        (numbered.job).dedupe_key is null
          or numbered.nth = 1 and queue_find_duplicate((numbered.job).lane, (numbered.job).dedupe_key) is null
          as fresh
      from numbered)
    select array_agg(sorted.job order by (sorted.job).seq) filter (where sorted.fresh),
        array_agg(sorted.job order by (sorted.job).seq) filter (where not sorted.fresh)
      into v_new, v_joining
    from sorted;
  end if;
  insert into jobs (
    id, firm_id, connection_id, lane, seq, kind, priority, matter_id,
    upload_id, explicit, run_id, dedupe_key, event_ids, run_at, created_at)
  select job.id, job.firm_id, job.connection_id, job.lane, job.seq, job.kind, job.priority, job.matter_id,
    job.upload_id, job.explicit, job.run_id, job.dedupe_key, job.event_ids, v_now, v_now
  from unnest(v_new) job;
  perform queue_open_logs(v_new);
  if v_joining is not null then
    select array_agg(queue_find_duplicate(job.lane, job.dedupe_key) order by job.place) into v_twins
    from unnest(v_joining) with ordinality
      job(id, firm_id, connection_id, lane, kind, priority, matter_id, upload_id, explicit, run_id, dedupe_key,
        event_ids, seq, note_join, place);
    perform queue_merge_duplicates(v_joining, v_twins);
  end if;
end $$;

-- Puts jobs at their places in lanes whose locks the caller holds, or joins them to a waiting duplicate. A running job is never joined.
create or replace function queue_place(p_jobs new_job[]) returns void language plpgsql volatile set enable_seqscan = off as $$
declare
  v_now timestamptz := app_now();
  v_new new_job[] := p_jobs;
  v_joining new_job[];
  v_twins uuid[];
begin
  if exists (select 1 from unnest(p_jobs) n where n.dedupe_key is not null) then
    with numbered as (
      select n, row_number() over (partition by n.lane, n.dedupe_key order by n.seq) as nth from unnest(p_jobs) n),
    sorted as (
      select m.n, (m.n).dedupe_key is null or m.nth = 1 and queue_find_duplicate((m.n).lane, (m.n).dedupe_key) is null as fresh
      from numbered m)
    select array_agg(s.n order by (s.n).seq) filter (where s.fresh), array_agg(s.n order by (s.n).seq) filter (where not s.fresh)
      into v_new, v_joining from sorted s;
  end if;
  insert into jobs (id, firm_id, connection_id, lane, seq, kind, priority, matter_id, upload_id, explicit, run_id, dedupe_key, event_ids, run_at, created_at)
  select n.id, n.firm_id, n.connection_id, n.lane, n.seq, n.kind, n.priority, n.matter_id, n.upload_id, n.explicit, n.run_id, n.dedupe_key,
    n.event_ids, v_now, v_now
  from unnest(v_new) n;
  perform queue_open_logs(v_new);
  if v_joining is not null then
    select array_agg(queue_find_duplicate(n.lane, n.dedupe_key) order by n.o) into v_twins
    from unnest(v_joining) with ordinality n(id, firm_id, connection_id, lane, kind, priority, matter_id, upload_id, explicit, run_id, dedupe_key,
      event_ids, seq, note_join, o);
    perform queue_merge_duplicates(v_joining, v_twins);
  end if;
end $$;

-- One step. acted: false when another worker is at it. busy: there are batches that are not finished.
create or replace function batch_step(
  p_after uuid, p_limit integer,
  out acted boolean, out busy boolean, out retried integer, out ended integer, out next_after uuid, out due uuid[])
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_chosen batch_jobs[];
begin
  retried := 0;
  ended := 0;
  acted := pg_try_advisory_xact_lock(110429429202946);
  busy := exists (select 1 from batches batch where batch.finished_at is null);
  if not acted or not busy then
    return;
  end if;
  select choice.chosen, choice.next_after into v_chosen, next_after from batch_choose(p_after, p_limit) choice;
  retried := cardinality(v_chosen);
  if retried > 0 then
    due := batch_retry(v_chosen);
  end if;
  ended := batch_end_jobs(4 * p_limit);
  perform batch_close(20 * p_limit);
end $$;

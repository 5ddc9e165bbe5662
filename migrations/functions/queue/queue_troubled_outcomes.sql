-- Outcomes that are written otherwise than their worker said.
-- A cancel that was acknowledged holds, whatever its last call came to; the words of the failure are kept beside it.
-- A try for the platform counts no attempt, so it is never the attempt that a job is given up after: until the job is
-- a day old it is tried again, a minute later or when the breaker lets it.
--
-- Example. Job 1 was cancelled while it ran, and its outcome is 'fail' with code 'provider_invalid': it becomes
-- 'delete' with log status 'skipped' and code 'cancelled', and last_error names 'provider_invalid'. Job 2 failed
-- uncancelled: its outcome stays. Job 3 tried for its platform with 7 attempts behind it, and its outcome is 'fail'
-- with code 'provider_unavailable': it becomes 'later', and 7 attempts stay.
create or replace function queue_troubled_outcomes(p_outcomes job_outcome[]) returns job_outcome[]
language plpgsql volatile set enable_seqscan = off as $$
declare
  v_outcomes job_outcome[] := p_outcomes;
  v_said job_outcome;
  v_job jobs%rowtype;
begin
  for v_place in 1 .. cardinality(v_outcomes) loop
    v_said := v_outcomes[v_place];
    select job.* into v_job from jobs job where job.id = v_said.job_id;
    if v_said.code = 'provider_unavailable' and queue_tries_for_platform(v_said.lane) then
      v_said.counted := false;
      if v_said.effect = 'fail' and coalesce(v_job.started_at > app_now() - interval '24 hours', true) then
        v_said.effect := 'later';
        v_said.log_status := 'pending';
        v_said.delay_ms := 60000;
        v_said.waiting_for := 'retry';
        v_said.outcome := 'retry';
        v_said.details := '{}';
      end if;
    end if;
    if v_said.effect = 'fail' and v_job.cancelled_at is not null then
      v_said.details := coalesce(v_said.details, '{}') - 'resolution' || queue_last_error(v_said.code, v_said.message);
      v_said.effect := 'delete';
      v_said.log_status := 'skipped';
      v_said.code := 'cancelled';
      v_said.message := null;
    end if;
    v_outcomes[v_place] := v_said;
  end loop;
  return v_outcomes;
end $$;

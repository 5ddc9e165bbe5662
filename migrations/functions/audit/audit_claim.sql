-- Claims an audit for the first worker that asks. Returns the row as it stands.
-- Returns nothing when another worker has it or its time has not come.
create or replace function audit_claim(p_name text, p_every_ms bigint, p_claim_ms bigint) returns setof audits
language plpgsql volatile as $$
declare
  v_now timestamptz := app_now();
  v_audit audits%rowtype;
begin
  perform 1 from audits audit where audit.name = p_name for update;
  select * into v_audit from audits audit where audit.name = p_name;
  if v_audit.running_until > v_now
    or p_every_ms > 0 and v_audit.began_at > v_now - p_every_ms * interval '1 ms' then
    return;
  end if;
  update audits audit set running_until = v_now + p_claim_ms * interval '1 ms' where audit.name = p_name;
  return next v_audit;
end $$;

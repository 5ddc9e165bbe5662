-- Claims the next part of the full audit.
-- It begins anew once a night, at 8:00 UTC: midnight to four in the firms' time zones.
create or replace function audit_claim_full(p_claim_ms bigint) returns setof audits language plpgsql volatile as $$
declare
  v_night timestamptz :=
    date_trunc('day', app_now() at time zone 'UTC' - interval '8 hours') at time zone 'UTC' + interval '8 hours';
  v_audit audits%rowtype;
begin
  select * into v_audit from audit_claim('full', 0, p_claim_ms);
  if v_audit.name is null then
    return;
  end if;
  if v_audit.lanes_after is null and v_audit.jobs_after is null then
    if v_audit.began_at >= v_night then
      update audits audit set running_until = null where audit.name = 'full';
      return;
    end if;
    update audits audit set began_at = app_now(), lanes_after = '' where audit.name = 'full';
    v_audit.lanes_after := '';
  end if;
  return next v_audit;
end $$;

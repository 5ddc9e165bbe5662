-- Failed jobs that match, in no order. The filter's own state is not looked at.
create or replace function queue_failed_matching(p_filter job_filter) returns setof jobs language sql stable as $$
  select j.* from jobs j
  where j.state = 'failed'
    and ((p_filter).firm_id is null or j.firm_id = (p_filter).firm_id)
    and ((p_filter).kind is null or j.kind = (p_filter).kind)
    and ((p_filter).matter_id is null or j.matter_id = (p_filter).matter_id)
    and ((p_filter).code is null or j.code = (p_filter).code)
    and ((p_filter).created_after is null or j.created_at >= (p_filter).created_after)
    and ((p_filter).created_before is null or j.created_at < (p_filter).created_before)
    and ((p_filter).platform is null or j.connection_id in (select c.id from firm_integrations c where c.platform = (p_filter).platform));
$$;

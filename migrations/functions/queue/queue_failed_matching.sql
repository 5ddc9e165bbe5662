-- Failed jobs that match, in no order. The filter's own state is not looked at.
create or replace function queue_failed_matching(p_filter job_filter) returns setof jobs language sql stable as $$
  select job.*
  from jobs job
  where job.state = 'failed'
    and ((p_filter).firm_id is null or job.firm_id = (p_filter).firm_id)
    and ((p_filter).kind is null or job.kind = (p_filter).kind)
    and ((p_filter).matter_id is null or job.matter_id = (p_filter).matter_id)
    and ((p_filter).code is null or job.code = (p_filter).code)
    and ((p_filter).created_after is null or job.created_at >= (p_filter).created_after)
    and ((p_filter).created_before is null or job.created_at < (p_filter).created_before)
    and ((p_filter).platform is null or job.connection_id in (
      select connection.id from firm_integrations connection where connection.platform = (p_filter).platform));
$$;

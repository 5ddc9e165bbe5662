-- A page: the ids found.
-- Where the page ended before the walk did, one row more (found null) says after which row to go on.
--
-- Example. p_limit is 2 and p_look is 100. The walk gives a hit, a row that is no hit, a hit and more rows. The page is
-- the 2 hits (found true), and the second hit once more with found null: the next page begins behind it.
-- When the first 100 rows hold no hit, the page is the 100th row alone, with found null.
create or replace function queue_list(
  p_filter job_filter, p_after_at timestamptz, p_after_id uuid, p_limit integer, p_look integer)
returns table (id uuid, created_at timestamptz, found boolean)
language plpgsql volatile set enable_seqscan = off set enable_bitmapscan = off set enable_sort = on as $$
declare
  v_firm uuid := queue_firm_of(p_filter);
  v_walk text := queue_walk(p_filter, v_firm, p_after_id is null);
  v_row record;
  v_looked integer := 0;
  v_found integer := 0;
begin
  if v_walk is null or p_filter.matter_id is not null and v_firm is null then
    return;
  end if;
  -- Walks that go by id stand in the index's order; the two small ones (running, one matter's) are sorted.
  if p_filter.state is distinct from 'running'
    and not (p_filter.matter_id is not null and coalesce(p_filter.state in ('queued', 'failed'), false)) then
    perform set_config('enable_sort', 'off', true);
  end if;
  for v_row in execute v_walk using p_filter, p_after_at, p_after_id, v_firm loop
    v_looked := v_looked + 1;
    if v_row.hit then
      v_found := v_found + 1;
      return query select v_row.id, v_row.created_at, true;
    end if;
    if v_found = p_limit or v_looked = p_look then
      return query select v_row.id, v_row.created_at, null::boolean;
      exit;
    end if;
  end loop;
end $$;

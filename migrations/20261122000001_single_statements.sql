-- Steps that are one statement and on the way of every call to a provider. Each takes up the worker's role itself, for its own length: one
-- trip to the database, where a transaction that takes it up and commits makes three. Whose session sits in casehug_none may therefore
-- execute these, and nothing else: that role belongs to the programs' login alone, which may take up the worker's role anyway.
do $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public'
      and p.proname = any('{queue_permit, queue_confirm_permit, queue_begin_transfer, link_claim, link_find_same_bytes, link_settle,
        link_set_transferred}')
  loop
    execute format('alter function %s set role = casehug_worker', f);
    execute format('grant execute on function %s to casehug_none', f);
  end loop;
end $$;

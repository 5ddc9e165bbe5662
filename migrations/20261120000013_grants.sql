-- Functions are executable by everybody unless taken back: the queue's and the links' steps are the worker role's alone.
do $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname ~ '^(queue|permit|bucket|link)_'
  loop
    execute format('revoke execute on function %s from public', f);
    execute format('grant execute on function %s to casehug_worker', f);
  end loop;
end $$;

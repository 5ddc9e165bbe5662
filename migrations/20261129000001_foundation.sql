-- The ground: three roles, the clock, the schema's own record.
-- Roles are cluster-wide: another database of the cluster may have made them already, or be making them now.
do $$
declare
  r text;
begin
  foreach r in array array['casehug_none', 'casehug_firm', 'casehug_worker'] loop
    begin
      execute format('create role %I nologin', r);
    exception when duplicate_object or unique_violation then null;
    end;
    if not pg_has_role(current_user, r, 'member') then
      execute format('grant %I to current_user', r);
    end if;
  end loop;
end $$;
grant usage on schema public to casehug_none, casehug_firm, casehug_worker;

-- The one clock of leases, run times, pauses and limits. Tests replace this function to shift it.
create function app_now() returns timestamptz language sql volatile parallel safe
as 'select clock_timestamp()';

-- The firm whose rows a transaction of role casehug_firm may see; null outside such a transaction.
create function app_firm() returns uuid language sql stable parallel safe
as $$ select nullif(current_setting('app.firm_id', true), '')::uuid $$;

-- schema_info: exactly one row. Written by migrations; read by programs at start; never goes.
-- functions_hash: of the function files that were applied last.
-- link_hash_key keys the hashes that stand for e-mail addresses in links.effect_key, so that the addresses are not there in clear.
create table schema_info (
  only_row boolean primary key default true check (only_row),
  min_code_version integer not null,
  link_hash_key uuid not null default gen_random_uuid(),
  functions_hash text
);
insert into schema_info (min_code_version) values (1);
grant select on schema_info to casehug_worker;

-- Guards a table: rows of one firm for casehug_firm, all rows for casehug_worker, none for any other role.
create function guard_by_firm(target regclass) returns void language plpgsql as $$
begin
  execute format('alter table %s enable row level security', target);
  execute format('create policy of_firm on %s to casehug_firm using (firm_id = app_firm()) with check (firm_id = app_firm())', target);
  execute format('create policy of_worker on %s to casehug_worker using (true) with check (true)', target);
  execute format('grant select, insert, update, delete on %s to casehug_worker', target);
  execute format('grant select on %s to casehug_firm', target);
end $$;
revoke execute on function guard_by_firm(regclass) from public;

-- Functions are executable by everybody unless taken back: those whose names begin so are the worker role's alone.
create function guard_functions(p_families text[]) returns void language plpgsql as $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and split_part(p.proname, '_', 1) = any(p_families)
  loop
    execute format('revoke execute on function %s from public', f);
    execute format('grant execute on function %s to casehug_worker', f);
  end loop;
end $$;
revoke execute on function guard_functions(text[]) from public;

-- Lets a role execute these functions.
create function grant_functions(p_role text, p_names text[]) returns void language plpgsql as $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname = any(p_names)
  loop
    execute format('grant execute on function %s to %I', f, p_role);
  end loop;
end $$;
revoke execute on function grant_functions(text, text[]) from public;

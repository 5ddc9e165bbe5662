-- CaseHug's own five tables, made only where absent: in production they belong to the application.
-- Only the tables made here get policies; the service reads all five with an explicit firm_id in any case.
do $$
begin
  -- firms: a customer of CaseHug. Written by the application; never goes.
  if to_regclass('public.firms') is null then
    create table firms (
      id uuid primary key,
      name text not null
    );
    alter table firms enable row level security;
    create policy of_firm on firms to casehug_firm using (id = app_firm());
    create policy of_worker on firms to casehug_worker using (true);
  end if;

  -- clients: the person whose case it is. Written by the application; goes with the firm's data.
  if to_regclass('public.clients') is null then
    create table clients (
      id uuid primary key,
      firm_id uuid not null references firms (id),
      first_name text,
      last_name text,
      email text,
      phone text,
      tags text[] not null default '{}',
      unique (firm_id, id)
    );
    perform guard_by_firm('clients');
  end if;

  -- matters: a case. Written by the application; the service writes status, status_changed_at and tags alone.
  if to_regclass('public.matters') is null then
    create table matters (
      id uuid primary key,
      firm_id uuid not null references firms (id),
      client_id uuid not null,
      title text not null,
      case_number text,
      case_type text,
      status text not null default 'active',
      status_changed_at timestamptz,
      tags text[] not null default '{}',
      created_at timestamptz not null default now(),
      unique (firm_id, id),
      foreign key (firm_id, client_id) references clients (firm_id, id)
    );
    perform guard_by_firm('matters');
  end if;

  -- uploads: a document of a matter; only an approved one ever leaves. Written by the application.
  if to_regclass('public.uploads') is null then
    create table uploads (
      id uuid primary key,
      firm_id uuid not null references firms (id),
      matter_id uuid not null,
      file_name text not null,
      content_type text,
      size_bytes bigint,
      sha256 text,
      storage_path text not null,
      status text not null default 'pending' check (status in ('pending', 'approved', 'rejected')),
      approved_at timestamptz,
      unique (firm_id, id),
      foreign key (firm_id, matter_id) references matters (firm_id, id)
    );
    create index uploads_matter on uploads (firm_id, matter_id);
    perform guard_by_firm('uploads');
  end if;

  -- matter_attorneys: who works on a matter. Written by the application.
  if to_regclass('public.matter_attorneys') is null then
    create table matter_attorneys (
      matter_id uuid not null,
      firm_id uuid not null references firms (id),
      name text not null,
      email text,
      role text,
      foreign key (firm_id, matter_id) references matters (firm_id, id)
    );
    perform guard_by_firm('matter_attorneys');
  end if;

  grant select on firms, clients, matters, uploads, matter_attorneys to casehug_firm, casehug_worker;
  grant update (status, status_changed_at, tags) on matters to casehug_worker;
end $$;

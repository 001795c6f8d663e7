--! shows Defaults of NOT NULL columns in the schema: literals of every type, and functions, which become the zero value of the type.

create type public.default_mood as enum ('sad', 'ok', 'happy');
create domain positive as integer check (value > 0);
create domain price as numeric(12, 2);
create table t (
    id smallserial primary key,
    b boolean not null default true, i2 smallint not null default -7, i4 integer not null default 42,
    i8 bigint not null default 9000000000, f4 real not null default 1.5, f8 double precision not null default '-2.25',
    n_10_2 numeric(10, 2) not null default 12.3, n_free numeric not null default 0.050, txt text not null default 'its',
    vc varchar(20) not null default 'v', c10 char(10) not null default 'c', bin bytea not null default '\x00ff41',
    u uuid not null default '6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11', u_fn uuid not null default gen_random_uuid(),
    js json not null default '{"a": 1}', jb jsonb not null default '[1, 2]', d date not null default '2024-02-29',
    d_fn date not null default current_date, t time not null default '12:34:56.789', t3 time(3) not null default '01:02:03.004',
    ts timestamp not null default '2024-02-29 01:02:03.456789', ts3 timestamp(3) not null default '2024-02-29 01:02:03.456',
    ts_fn timestamp not null default now(), tz timestamptz not null default '2024-02-29 01:02:03.456789+02',
    tz_fn timestamptz not null default now(), m default_mood not null default 'ok', o oid not null default 5, dom positive not null default 3,
    domn price not null default 9.5, ai int[] not null default '{}', ai2 int[] not null default '{1,2}', atxt text[] not null default '{a,b}',
    txt_fn text not null default md5('x'), i4_fn integer not null default (1 + 2), txt_cat text not null default ('a' || 'b')
);

--! changes

insert into t default values;
update t set i4 = 43;
update t set id = 78;
delete from t;

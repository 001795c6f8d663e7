--! shows NOT NULL columns of every type: a column that the old row omits becomes the zero value of the type.

create type mood as enum ('sad', 'ok', 'happy');
create domain positive as integer check (value > 0);
create table t (
    id bigserial primary key,
    b boolean not null, i2 smallint not null, i4 integer not null, i8 bigint not null, f4 real not null,
    f8 double precision not null, n_10_2 numeric(10, 2) not null, n_free numeric not null,
    txt text not null, vc varchar(20) not null, c10 char(10) not null, bin bytea not null, u uuid not null,
    js json not null, jb jsonb not null, d date not null, t time not null, t3 time(3) not null, ts timestamp not null,
    ts3 timestamp(3) not null, tz timestamptz not null, m mood not null, o oid not null, dom positive not null, ai int[] not null, atxt text[] not null
);

--! changes

insert into t (b, i2, i4, i8, f4, f8, n_10_2, n_free, txt, vc, c10, bin, u, js, jb, d, t, t3, ts, ts3, tz, m, o, dom, ai, atxt) values (true, 1, 2, 3, 4.5, 5.5, 6.66, 7.7, 'a', 'b', 'c', '\x01', '6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11', '1', '2', '2000-01-01', '01:02:03', '01:02:03', '2000-01-01 01:02:03', '2000-01-01 01:02:03', '2000-01-01 01:02:03+00', 'ok', 1, 2, '{1}', '{a}');
update t set i4 = 3;
update t set id = 77;
delete from t;

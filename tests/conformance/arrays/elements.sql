--! shows Arrays of every type: with null elements, empty, and null.

create type public.array_mood as enum ('sad', 'ok', 'happy');
create table t (
    id integer primary key,
    b boolean[], i2 smallint[], i4 integer[], i8 bigint[], f4 real[], f8 double precision[], n_10_2 numeric(10, 2)[], n_free numeric[],
    txt text[], vc varchar(20)[], c3 char(3)[], bin bytea[], u uuid[], js json[], jb jsonb[], d date[], t time[], t3 time(3)[],
    ts timestamp[], ts3 timestamp(3)[], tz timestamptz[], tz3 timestamptz(3)[], m array_mood[], o oid[]
);

--! changes

insert into t values (1, '{t,f,NULL}', '{1,-2,NULL}', '{1,-2}', '{1,9000000000}', '{1.5,NaN,Infinity}', '{2.25,-Infinity}', '{1.5,-0.01,NULL}', '{1.5,100,0.0010}', '{"a,b","c\"d","e\\f",NULL,"NULL","",é, plain }', '{x,"{y}"}', '{a,bcd}', '{"\\x00ff","\\x"}', '{6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11,NULL}', array['{"a": "b"}'::json, 'null'::json], array['{"a": ["b"]}'::jsonb, '1'::jsonb], '{2024-02-29,NULL,1969-12-31}', '{12:34:56,00:00:00}', '{12:34:56.789}', '{"2024-02-29 12:34:56.789012"}', '{"2024-02-29 12:34:56.789"}', '{"2024-02-29 12:34:56.789012+02",NULL}', '{"2024-02-29 12:34:56.700+02"}', '{sad,happy}', '{1,4000000000}');
insert into t (id) values (2);
insert into t values (3, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
update t set i4 = '{9}' where id = 1;

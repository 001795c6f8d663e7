--! shows Arrays of every type for which Debezium has arrays, with nulls, quotes and bounds.

create type public.colour as enum ('red', 'green', 'blue');
create table t (
    id integer primary key, b boolean[], i2 smallint[], i4 integer[], i8 bigint[], f4 real[], f8 double precision[], n numeric(10, 2)[], nf numeric[],
    txt text[], vc varchar(20)[], c3 char(3)[], ch "char"[], u uuid[], js json[], jb jsonb[], o oid[], d date[],
    i inet[], ci cidr[], m macaddr[], m8 macaddr8[], r4 int4range[], r8 int8range[], rn numrange[], rt tsrange[], rd daterange[], e public.colour[]);
create table required (id integer primary key, i4 integer[] not null, txt text[] not null, e public.colour[] not null);

--! changes

insert into t values (1, '{t,f,NULL}', '{-1,NULL}', '{1,2}', '{3}', '{1.5,NaN}', '{-2.25,Infinity}', '{1.50,NULL}', '{1.50,100}',
    '{"a,b","c\"d","e\\f",NULL,"NULL",""}', '{v}', '{a,b}', '{x}', '{6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11}', '{"{\"a\": 1}"}', '{1,"[2]"}', '{4294967295}',
    '{2024-02-29,NULL}', '{192.168.0.1,::1}', '{10.0.0.0/8}', '{08:00:2b:01:02:03}', '{08:00:2b:01:02:03:04:05}', '{"[1,3)"}', '{"[1,3)",empty}', '{"[1.5,2)"}',
    '{"[2024-02-29 12:00:00,)"}', '{"[2024-02-29,2024-03-01)"}', '{red,blue}');
insert into t (id, i4, txt, e) values (2, '{}', '{}', '{}');
insert into t (id, i4) values (3, '[5:6]={1,2}');
insert into t values (4);
insert into required values (1, '{1}', '{a}', '{green}');
delete from required;

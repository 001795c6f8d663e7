--! shows Column types in the schema: numbers, text, times, arrays, domains, enums.
--! debezium column.exclude.list = .*\.left_out
--! debezium column.mask.with.5.chars = .*\.masked
--! debezium column.truncate.to.4.chars = .*\.cut
--! debezium column.mask.hash.SHA-256.with.salt.pepper = .*\.hashed
--! debezium column.mask.hash.v2.MD5.with.salt.pepper = .*\.hashed_v2
--! debezium column.propagate.source.type = .*\.typed
--! debezium datatype.propagate.source.type = .*\.int8
--! walcast columns.exclude = ["*.*.left_out"]
--! walcast columns.mask = [{ columns = ["*.*.masked"], length = 5 }]
--! walcast columns.truncate = [{ columns = ["*.*.cut"], length = 4 }]
--! walcast columns.hash = [{ columns = ["*.*.hashed"], algorithm = "sha256", salt = "pepper", version = "v1" }, { columns = ['/.*\.hashed_v2/'], algorithm = "md5", salt = "pepper" }]
--! walcast columns.propagate_types = ["*.*.typed"]
--! walcast columns.propagate_data_types = ['/.*\.INT8/']

create type mood as enum ('glad', 'sad');
create domain price as numeric(8, 3);
create table n1 (id integer primary key, typed numeric(5, 2));
create table n2 (id integer primary key, typed numeric);
create table n3 (typed smallint primary key);
create table n4 (id integer primary key, typed real, other double precision);
create table t1 (id integer primary key, typed varchar(128));
create table t2 (id integer primary key, typed varchar);
create table t3 (id integer primary key, typed text not null default 'x');
create table t4 (id integer primary key, typed char(9));
create table d1 (id integer primary key, typed timestamp(3));
create table d2 (id integer primary key, typed timestamptz);
create table d3 (id integer primary key, typed time);
create table d4 (id integer primary key, typed date);
create table a1 (id integer primary key, typed integer[]);
create table a2 (id integer primary key, typed varchar(20)[]);
create table o1 (id integer primary key, typed price);
create table o2 (id integer primary key, typed mood);
create table o3 (id integer primary key, typed uuid, big bigint, small int2);
create table o4 (id integer primary key, typed jsonb);
create table o5 (id integer primary key, typed boolean);

--! changes

insert into n1 values (1, 1.5);
insert into n2 values (1, 1.5);
insert into n3 values (1);
insert into n4 values (1, 1.5, 2.5);
insert into t1 values (1, 'a');
insert into t2 values (1, 'a');
insert into t3 values (1, 'a');
insert into t4 values (1, 'a');
insert into d1 values (1, '2024-02-29 12:34:56');
insert into d2 values (1, '2024-02-29 12:34:56+00');
insert into d3 values (1, '12:34:56');
insert into d4 values (1, '2024-02-29');
insert into a1 values (1, '{1,2}');
insert into a2 values (1, '{a,b}');
insert into o1 values (1, 1.5);
insert into o2 values (1, 'glad');
insert into o3 values (1, '6f1c7a86-5f5c-4a39-9d1c-0d4a6a7a2d11', 5, 6);
insert into o4 values (1, '{"a": 1}');
insert into o5 values (1, true);

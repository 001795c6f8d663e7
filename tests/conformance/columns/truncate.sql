--! shows Truncated columns: text, bytes, json; shorter values; characters beyond the Basic Multilingual Plane; numbers, which are unchanged.
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

create table texts (id integer primary key, cut text);
create table bounded (id integer primary key, cut varchar(10) not null);
create table short (id integer primary key, cut varchar(3));
create table bytes (id integer primary key, cut bytea);
create table documents (id integer primary key, cut json);
create table numbers (id integer primary key, cut bigint);
create table moments (id integer primary key, cut timestamptz);

--! changes

insert into texts values (1, 'abcdefg'), (2, 'abc'), (3, ''), (4, null), (5, 'größeres'), (6, 'abc😀d'), (7, 'ab😀d');
update texts set cut = 'xyzxyz' where id = 1;
delete from texts where id = 1;
insert into bounded values (1, 'abcdefg');
delete from bounded where id = 1;
insert into short values (1, 'abc');
insert into bytes values (1, '\x0102030405060708'), (2, null);
insert into documents values (1, '{"a": 1}');
insert into numbers values (1, 12345678);
insert into moments values (1, '2024-02-29 12:34:56+00');

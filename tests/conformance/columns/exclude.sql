--! shows Columns that are omitted from values but remain in keys.
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

create table t (id integer primary key, left_out text, kept text);
create table keyed (left_out integer not null default 3, b text, v integer, primary key (left_out, b));
create table serial_key (left_out serial primary key, v integer);
create table whole (id integer primary key, left_out text, v integer);
alter table whole replica identity full;

--! changes

insert into t values (1, 'l', 'k');
update t set left_out = 'm' where id = 1;
delete from t where id = 1;
insert into keyed values (1, 'b', 1);
update keyed set left_out = 2;
delete from keyed;
insert into serial_key (v) values (7);
delete from serial_key;
insert into whole values (1, 'l', 1);
update whole set left_out = 'm';
delete from whole;

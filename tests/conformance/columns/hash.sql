--! shows Hashed columns in both versions: null, defaults, short columns, enums, deleted rows.
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
create table t (id integer primary key, hashed text, hashed_v2 text);
create table bounded (id integer primary key, hashed varchar(20) not null, hashed_v2 char(7) not null default 'x');
create table moods (id integer primary key, hashed mood, hashed_v2 mood);
create table keyed (hashed text primary key, v integer);

--! changes

insert into t values (1, 'hello', 'hello'), (2, null, null), (3, '', ''), (4, 'größe 😀', 'größe 😀');
update t set hashed = 'world' where id = 1;
delete from t where id = 1;
insert into bounded values (1, 'hello', 'world');
insert into bounded (id, hashed) values (2, 'hello');
delete from bounded where id = 1;
insert into moods values (1, 'glad', 'sad'), (2, null, null);
insert into keyed values ('key', 1);
delete from keyed;
insert into t select 5, repeat('x', 70000), repeat('x', 70000);

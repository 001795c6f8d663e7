--! shows Masked columns: text, padded text, enums; null, defaults, keys, deleted rows.
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
create table t (
    id integer primary key,
    masked text,
    other text
);
create table strict (id integer primary key, masked varchar(3) not null default 'abc');
create table padded (masked char(8) primary key);
create table moods (id integer primary key, masked mood);

--! changes

insert into t values (1, 'a long secret', 'o'), (2, null, null);
update t set masked = 'b' where id = 1;
update t set id = 3 where id = 2;
delete from t where id = 1;
insert into strict values (1, 'x');
insert into strict (id) values (2);
delete from strict where id = 1;
insert into padded values ('key');
insert into moods values (1, 'sad'), (2, null);

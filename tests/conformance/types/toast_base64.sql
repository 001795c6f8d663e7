--! shows Placeholder of unchanged TOAST bytes, as base64.
--! debezium binary.handling.mode = base64
--! walcast types.binary = "base64"
--! differs Debezium logs an error and writes null; walcast never writes null for an existing value.
--! at t#1.value.after.b

create table t (id integer primary key, n integer, b bytea);
alter table t alter b set storage external;

--! changes

insert into t select 1, 1, decode(repeat('00ff', 9000), 'hex');
update t set n = 2;

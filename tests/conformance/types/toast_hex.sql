--! shows Placeholder of unchanged TOAST bytes, as hex.
--! debezium binary.handling.mode = hex
--! walcast types.binary = "hex"

create table t (id integer primary key, n integer, b bytea);
alter table t alter b set storage external;

--! changes

insert into t select 1, 1, decode(repeat('00ff', 9000), 'hex');
update t set n = 2;

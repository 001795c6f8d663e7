--! shows Placeholder of an unchanged TOAST number, as text.
--! debezium decimal.handling.mode = string
--! walcast types.decimal = "string"

create table t (id integer primary key, n integer, v numeric);
alter table t alter v set storage external;

--! changes

insert into t select 1, 1, (repeat('123456789', 2000))::numeric;
update t set n = 2;

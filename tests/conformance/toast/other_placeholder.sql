--! shows A configured placeholder.
--! debezium unavailable.value.placeholder = not in WAL
--! walcast format.unavailable_value_placeholder = "not in WAL"

create table t (id integer primary key, n integer, txt text, bin bytea, atxt text[], js json);
alter table t alter txt set storage external, alter bin set storage external, alter atxt set storage external, alter js set storage external;

--! changes

insert into t select 1, 0, r, r::bytea, array[r], json_build_object('k', r) from (select repeat('x', 10000) r) s;
update t set n = 1;

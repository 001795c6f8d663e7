--! shows TOAST values that change, become null, and become short.

create table t (id integer primary key, n integer, txt text);
alter table t alter txt set storage external;

--! changes

insert into t select 1, 0, repeat('x', 10000);
update t set txt = repeat('y', 10000);
update t set n = 1;
update t set txt = null;
update t set txt = 'short';
update t set n = 2;

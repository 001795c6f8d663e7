--! shows A column is added to a table with an unchanged TOAST value.

create table t (id integer primary key, n integer, txt text);
alter table t alter txt set storage external;

--! changes

insert into t select 1, 0, repeat('x', 10000);
update t set n = 1;
--! wait
alter table t add column more text;
update t set n = 2, more = 'more';

--! shows A column is added inside the transaction that writes rows before and after it.

create table t (id integer primary key, note text);

--! changes

begin;
insert into t values (1, 'before');
alter table t add column n integer;
insert into t values (2, 'after', 2);
update t set n = 1;
commit;

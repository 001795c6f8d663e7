--! shows A column is added, written and dropped in one transaction, and another with the same name is added in the next.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
--! wait
begin;
alter table t add column x integer;
alter table t drop column x;
insert into t values (2, 'two');
commit;
alter table t add column x text;
insert into t values (3, 'three', 'x');

--! shows A column is renamed, and another gets its name.

create table t (id integer primary key, a text, b integer);

--! changes

insert into t values (1, 'a', 1);
--! wait
alter table t rename column a to was_a;
update t set was_a = 'aa';
--! wait
alter table t rename column b to a;
update t set a = 2;

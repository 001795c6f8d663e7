--! shows One transaction with several statements over several tables, in the order of execution.

create table a (id integer primary key, note text);
create table b (id integer primary key, note text);

--! changes

begin;
insert into a values (10, 'x'), (11, 'y');
insert into b values (1, 'x');
update a set note = 'z' where id >= 10;
update b set note = 'y';
delete from a where id = 11;
commit;

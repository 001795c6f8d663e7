--! shows A column in the middle is dropped while rows are written.

create table t (id integer primary key, a text, b text, c text);

--! changes

insert into t values (1, 'a', 'b', 'c');
--! wait
alter table t drop column b;
insert into t values (2, 'a', 'c');
update t set c = 'cc' where id = 1;
delete from t where id = 1;

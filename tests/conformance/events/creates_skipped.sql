--! shows Creates that are skipped, that of a moved key with them.
--! debezium skipped.operations = c
--! walcast events.operations = ["update", "delete", "truncate"]

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one'), (2, 'two');
update t set note = 'changed' where id = 1;
update t set id = 3 where id = 1;
delete from t where id = 2;
truncate t;

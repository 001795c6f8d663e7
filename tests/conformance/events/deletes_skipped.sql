--! shows Deletes and updates that are skipped, with their tombstones.
--! debezium skipped.operations = u,d,t
--! walcast events.operations = ["create"]

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one'), (2, 'two');
update t set note = 'changed' where id = 1;
update t set id = 3 where id = 1;
delete from t where id = 2;

--! shows The same without tombstones.
--! debezium tombstones.on.delete = false
--! walcast format.tombstones_on_delete = false

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
update t set id = 2 where id = 1;
delete from t where id = 2;

--! shows A truncation has no tombstones, whether or not deletes have them.
--! debezium skipped.operations = none
--! debezium tombstones.on.delete = false
--! walcast events.operations = ["create", "update", "delete", "truncate"]
--! walcast format.tombstones_on_delete = false

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
truncate t;

--! shows A table whose first event is its emptying.
--! debezium skipped.operations = none
--! walcast events.operations = ["create", "update", "delete", "truncate"]
--! differs A table's two schemas are registered together, when it is first heard of; Debezium registers that of the key with the first key.
--! at t.key schema.1

create table t (id integer primary key, note text);

--! changes

truncate t;

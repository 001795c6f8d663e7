--! shows A table whose first event is a truncation.
--! debezium skipped.operations = none
--! walcast events.operations = ["create", "update", "delete", "truncate"]
--! differs walcast registers both schemas of a table at its first event; Debezium registers the key schema with the first key.
--! at t.key schema.1

create table t (id integer primary key, note text);

--! changes

truncate t;

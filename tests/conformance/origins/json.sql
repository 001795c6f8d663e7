--! shows Changes and truncations with a replication origin, in JSON with schemas.
--! debezium key.converter = org.apache.kafka.connect.json.JsonConverter
--! debezium value.converter = org.apache.kafka.connect.json.JsonConverter
--! debezium skipped.operations = none
--! walcast format.key = "json_schema"
--! walcast format.value = "json_schema"
--! walcast events.operations = ["create", "update", "delete", "truncate"]

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'local');
select pg_replication_origin_create('in "JSON"');
select pg_replication_origin_session_setup('in "JSON"');
insert into t values (2, 'from elsewhere');
truncate t;

--! shows Rows as JSON without schemas.
--! alone
--! debezium snapshot.mode = initial
--! walcast snapshot.mode = "initial"
--! debezium key.converter = org.apache.kafka.connect.json.JsonConverter
--! debezium key.converter.schemas.enable = false
--! debezium value.converter = org.apache.kafka.connect.json.JsonConverter
--! debezium value.converter.schemas.enable = false
--! walcast format.key = "json"
--! walcast format.value = "json"

create table items (id integer primary key, note text);
insert into items values (1, 'one'), (2, null);

--! changes

insert into items values (3, 'three');

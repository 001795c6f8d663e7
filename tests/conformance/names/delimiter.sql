--! shows Another delimiter in topics.
--! alone
--! debezium topic.delimiter = -
--! debezium schema.name.adjustment.mode = avro
--! walcast names.delimiter = "-"
--! walcast names.adjust_schemas = "avro"

create table t (id integer primary key, v text);

--! changes

insert into t values (1, 'v');
delete from t;

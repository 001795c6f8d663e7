--! shows `real` and `double precision` in JSON: numbers in the middle between two texts of the fewest digits.
--! debezium key.converter = org.apache.kafka.connect.json.JsonConverter
--! debezium key.converter.schemas.enable = false
--! debezium value.converter = org.apache.kafka.connect.json.JsonConverter
--! debezium value.converter.schemas.enable = false
--! walcast format.key = "json"
--! walcast format.value = "json"

create table t (id integer primary key, r real, d double precision);

--! changes

insert into t select n, (2097152 + n * 0.25)::real, 1125899906842624 + n * 0.25::float8 from generate_series(0, 15) n;
insert into t select 100 + n, (16384 + (2 * n + 1) / 16.0)::real, -(1125899906842624 + n * 0.25::float8) from generate_series(0, 63) n;

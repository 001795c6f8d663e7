--! shows Names that Avro rejects, escaped.
--! debezium schema.name.adjustment.mode = avro_unicode
--! debezium field.name.adjustment.mode = avro_unicode
--! walcast names.adjust_schemas = "avro_unicode"
--! walcast names.adjust_fields = "avro_unicode"

create table "odd-name" ("the id" integer primary key, "2nd" text, "a.b" integer, under_score integer);
create table plain (id integer primary key);

--! changes

insert into "odd-name" values (1, '2', 3, 4);
update "odd-name" set "the id" = 2;
delete from "odd-name";
insert into plain values (1);

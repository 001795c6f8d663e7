--! shows Names that Avro rejects, adjusted.
--! debezium schema.name.adjustment.mode = avro
--! debezium field.name.adjustment.mode = avro
--! walcast names.adjust_schemas = "avro"
--! walcast names.adjust_fields = "avro"

create table "odd-name" ("the id" integer primary key, "2nd" text, "a.b" integer, "c$d" integer not null default 3);
create table "Mixed" ("Id" integer primary key, "camelCase" text);

--! changes

insert into "odd-name" values (1, '2', 3);
update "odd-name" set "the id" = 2;
delete from "odd-name";
insert into "Mixed" values (1, 'c');

--! shows Several tables in one topic, distinguished by a part of their names; the keys of other tables are unchanged.
--! alone
--! debezium transforms = one,two
--! debezium transforms.one.type = io.debezium.transforms.ByLogicalTableRouter
--! debezium transforms.one.topic.regex = (.*)\.{schema}\.orders_(?<year>\d+)
--! debezium transforms.one.topic.replacement = $1.{schema}.orders
--! debezium transforms.one.key.field.name = year
--! debezium transforms.one.key.field.regex = (.*)orders_(\d+)
--! debezium transforms.one.key.field.replacement = $2
--! debezium transforms.two.type = io.debezium.transforms.ByLogicalTableRouter
--! debezium transforms.two.topic.regex = (.*)\.items_(.*)
--! debezium transforms.two.topic.replacement = $1.items
--! debezium transforms.two.key.enforce.uniqueness = false
--! walcast names.routes = [{ pattern = '(.*)\.{schema}\.orders_(?<year>\d+)', topic = '$1.{schema}.orders', key_field = "year", key_pattern = '(.*)orders_(\d+)', key_value = '$2' }, { pattern = '(.*)\.items_(.*)', topic = '$1.items', unique_keys = false }]

create table orders_2023 (id integer primary key, v text);
create table orders_2024 (id integer primary key, v text);
create table items_a (id integer primary key);
create table items_b (id integer primary key);

--! changes

insert into orders_2023 values (1, 'v');
insert into orders_2024 values (1, 'w');
delete from orders_2023;
insert into items_a values (1);
insert into items_b values (2);

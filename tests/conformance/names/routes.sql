--! shows Several tables in one topic, distinguished by a field of the key.
--! alone
--! debezium transforms = route
--! debezium transforms.route.type = io.debezium.transforms.ByLogicalTableRouter
--! debezium transforms.route.topic.regex = (.*)\.{schema}\.orders_(\d+)
--! debezium transforms.route.topic.replacement = $1.{schema}.orders
--! walcast names.routes = [{ pattern = '(.*)\.{schema}\.orders_(\d+)', topic = '$1.{schema}.orders' }]

create table orders_1 (id integer primary key, v text);
create table orders_2 (id integer primary key, v text);
create table orders_3 (v text);
alter table orders_3 replica identity full;
create table other (id integer primary key);

--! changes

insert into orders_1 values (1, 'v');
insert into orders_2 values (1, 'w');
insert into orders_3 values ('x');
update orders_1 set v = 'x';
update orders_2 set id = 2;
delete from orders_1;
insert into other values (1);

--! shows Keys of selected columns, in the order of the configuration; deletes contain the whole row.
--! debezium message.key.columns = .*\.orders:tenant,id;.*\.(items|lines):(.*)no
--! walcast keys = [{ tables = "*.orders", columns = ["tenant", "id"] }, { tables = '/.*\.(items|lines)/', columns = ["*no"] }]

create table orders (id integer primary key, tenant integer, v text);
alter table orders replica identity full;
create table items (a text, no integer not null);
alter table items replica identity full;
create table lines (itemno integer, no integer, v text, primary key (no));
alter table lines replica identity full;
create table others (id integer primary key);

--! changes

insert into orders values (1, 7, 'v'), (2, null, null);
update orders set v = 'w' where id = 1;
update orders set tenant = 8 where id = 1;
delete from orders where id = 1;
delete from orders where id = 2;
insert into items values ('a', 1);
update items set no = 2;
delete from items;
insert into lines values (1, 2, 'v');
update lines set itemno = null;
delete from lines;
insert into others values (1);

--! shows Existing rows, and changes after them; a table with one row, and one without rows.
--! alone
--! debezium snapshot.mode = initial
--! walcast snapshot.mode = "initial"

create table items (id integer primary key, note text, price numeric(8, 2) not null default 1);
create table lone (id integer primary key);
create table nothing (id integer primary key);
insert into items values (3, 'three', 3.5), (1, null, 2), (2, 'two', 1);
update items set note = 'TWO' where id = 2;
delete from items where id = 3;
insert into lone values (7);

--! changes

insert into items values (4, 'four', 4);
update items set note = 'one' where id = 1;
delete from items where id = 2;
insert into nothing values (1);

--! shows Rows of some tables only; changes of all.
--! alone
--! debezium snapshot.mode = initial
--! walcast snapshot.mode = "initial"
--! debezium snapshot.include.collection.list = .*\.first
--! walcast snapshot.tables = ["*.first"]

create table first (id integer primary key);
create table second (id integer primary key);
insert into first values (1), (2);
insert into second values (1), (2);

--! changes

insert into first values (3);
insert into second values (3);

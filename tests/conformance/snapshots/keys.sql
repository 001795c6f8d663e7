--! shows Rows of tables with a key of several columns, with a unique index, and without any key.
--! alone
--! debezium snapshot.mode = initial
--! walcast snapshot.mode = "initial"

create table composite (b text, a integer, v text, primary key (a, b));
create table uniq (id integer not null unique, v text);
alter table uniq replica identity full;
create table keyless (v text);
alter table keyless replica identity full;
insert into composite values ('x', 1, 'v'), ('y', 1, null);
insert into uniq values (5, 'five');
insert into keyless values ('one'), (null), ('one');

--! changes

insert into composite values ('z', 2, 'w');
insert into keyless values ('two');

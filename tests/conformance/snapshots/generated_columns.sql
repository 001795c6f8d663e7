--! shows Rows of a table with a stored generated column, which the stream of Postgres 17 does not contain.
--! differs Debezium's rows that are read have the column, and its changes have not, so that the schema changes between them; walcast's have it nowhere.
--! at t
--! alone
--! debezium snapshot.mode = initial
--! walcast snapshot.mode = "initial"

create table t (id integer primary key, n integer, twice integer generated always as (n * 2) stored, note text);
insert into t (id, n, note) values (1, 2, 'x');

--! changes

insert into t (id, n, note) values (2, 3, 'y');


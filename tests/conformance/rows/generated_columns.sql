--! shows Changes of a table with a stored generated column, which the stream of Postgres 17 does not contain. Rows that are read differ: Debezium sends the column there.

create table t (id integer primary key, n integer, twice integer generated always as (n * 2) stored, note text);

--! changes

insert into t (id, n, note) values (1, 2, 'x');
update t set n = 3;
delete from t;

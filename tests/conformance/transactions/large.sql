--! shows A transaction of three thousand rows and of rows of a hundred kilobytes.

create table t (id integer primary key, note text);

--! changes

begin;
insert into t select i, repeat('x', 50) from generate_series(1, 3000) i;
insert into t select i, repeat('y', 100000) from generate_series(4001, 4005) i;
delete from t where id % 1000 = 0;
commit;

--! shows A transaction that writes to no captured table produces no record, and neither does an unlogged or temporary table.

create table t (id integer primary key);

--! changes

create temporary table passing (id integer);
insert into passing values (1);
insert into t values (1);

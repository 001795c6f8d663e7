--! shows A transaction that writes to no captured table leaves no trace; an unlogged or temporary table neither.

create table t (id integer primary key);

--! changes

create temporary table passing (id integer);
insert into passing values (1);
insert into t values (1);

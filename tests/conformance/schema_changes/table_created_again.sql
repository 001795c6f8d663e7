--! shows A table is dropped and created again with other columns.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
--! wait
drop table t;
create table t (id bigint primary key, amount numeric(8, 2), note text not null);
insert into t values (1, 2.5, 'again');

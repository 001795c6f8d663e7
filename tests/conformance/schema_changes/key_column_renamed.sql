--! shows The column of the primary key is renamed and changes its type.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
--! wait
alter table t rename id to number;
insert into t values (2, 'two');
update t set note = 'changed' where number = 1;
--! wait
alter table t alter number type bigint;
update t set number = 9000000000 where number = 1;
delete from t where number = 2;

--! shows Columns are added while rows are written: nullable, and NOT NULL with a default.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'before');
--! wait
alter table t add column n integer;
insert into t values (2, 'with n', 2);
update t set n = 1 where id = 1;
--! wait
alter table t add column required text not null default 'there';
insert into t values (3, 'with both', 3, 'given');
update t set n = 4 where id = 2;
delete from t where id = 1;

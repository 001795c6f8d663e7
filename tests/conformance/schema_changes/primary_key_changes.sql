--! shows Another column becomes the primary key.

create table t (id integer primary key, other integer not null, note text);

--! changes

insert into t values (1, 10, 'one');
--! wait
alter table t drop constraint t_pkey, add primary key (other);
insert into t values (2, 20, 'two');
update t set note = 'changed' where id = 1;
delete from t where id = 2;

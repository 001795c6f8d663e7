--! shows A row is inserted, updated and deleted; a tombstone follows.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
update t set note = 'changed' where id = 1;
delete from t where id = 1;

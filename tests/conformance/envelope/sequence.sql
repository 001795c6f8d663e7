--! shows The position of the previous transaction beside that of the change, over several transactions.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
begin;
insert into t values (2, 'two'), (3, 'three');
update t set note = 'changed' where id = 1;
commit;
delete from t where id = 3;

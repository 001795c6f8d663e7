--! shows Replica identity FULL of a table without key: records without key, tombstones too.

create table t (a integer, b text not null);
alter table t replica identity full;

--! changes

insert into t values (1, 'b'), (null, 'c');
update t set a = 2 where a = 1;
update t set a = 3 where a is null;
delete from t where a = 2;

--! shows Replica identity FULL: the whole row before each change.

create table t (a integer not null, b text, c text not null, primary key (c, a));
alter table t replica identity full;

--! changes

insert into t values (1, 'b', 'c');
update t set b = 'bb' where a = 1;
update t set b = 'bb' where a = 1;
update t set a = 2 where a = 1;
delete from t where a = 2;

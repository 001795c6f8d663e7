--! shows The replica identity is changed from DEFAULT to FULL and back.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
update t set note = 'default';
--! wait
alter table t replica identity full;
update t set note = 'full';
--! wait
alter table t replica identity default;
update t set note = 'default again';
delete from t;

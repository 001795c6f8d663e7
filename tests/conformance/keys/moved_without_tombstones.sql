--! shows Primary keys that change, without tombstones.
--! debezium tombstones.on.delete = false
--! walcast format.tombstones_on_delete = false

create table t (id integer primary key, v text, w text not null);
create table whole (id integer primary key, v text);
alter table whole replica identity full;

--! changes

insert into t values (1, 'v', 'w'), (2, null, 'w');
update t set id = id + 10;
delete from t where id = 11;
insert into whole values (1, 'v');
update whole set id = 2, v = 'w';
delete from whole;

--! shows Replica identities that identify deleted rows: the old row in updates and deletes.

create table by_default (id integer primary key, v text, n integer not null, d integer not null default 7);
create table by_full (id integer primary key, v text, n integer not null);
alter table by_full replica identity full;
create table by_index (id integer primary key, code text not null, v text);
create unique index by_index_id_code on by_index (code, id);
alter table by_index replica identity using index by_index_id_code;

--! changes

insert into by_default values (1, 'v', 2), (2, null, 3);
update by_default set v = 'w' where id = 1;
update by_default set id = 3 where id = 1;
delete from by_default;
insert into by_full values (1, 'v', 2);
update by_full set v = null;
update by_full set id = 2;
delete from by_full;
insert into by_index values (1, 'c', 'v');
update by_index set v = 'w';
update by_index set code = 'd';
delete from by_index;

--! shows An update that sets what was there is an event all the same.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'a');
update t set note = note;
update t set id = id;

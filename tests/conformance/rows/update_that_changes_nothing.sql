--! shows An update with equal values is an event.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'a');
update t set note = note;
update t set id = id;

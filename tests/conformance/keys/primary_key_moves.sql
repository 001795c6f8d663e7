--! shows An update that changes the primary key is a delete with its tombstone and a create, with both headers.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
update t set id = 2 where id = 1;
update t set id = 3, note = 'three' where id = 2;

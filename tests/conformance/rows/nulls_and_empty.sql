--! shows Null, the empty text and the text `null` are distinct.

create table t (id integer primary key, a text, b integer, c bytea);

--! changes

insert into t values (1, null, null, null), (2, '', 0, ''), (3, 'null', 1, 'null');
update t set a = null where id = 2;
update t set a = '' where id = 1;

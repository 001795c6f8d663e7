--! shows `bytea`, with zero bytes and empty.

create table t (id integer primary key, bin bytea);

--! changes

insert into t values (1, '\x00ff10'), (2, ''), (3, null), (4, 'abc');

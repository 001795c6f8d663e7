--! shows One statement that moves the keys of several rows, each behind the next.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one'), (2, 'two'), (3, 'three');
update t set id = id + 10;

--! shows One statement that changes the keys of several rows, each to the previous key of the next.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one'), (2, 'two'), (3, 'three');
update t set id = id + 10;

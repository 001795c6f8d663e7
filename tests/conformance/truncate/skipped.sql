--! shows TRUNCATE produces no record by default.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
truncate t;
insert into t values (1, 'again');

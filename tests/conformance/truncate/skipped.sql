--! shows TRUNCATE leaves no trace by default.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
truncate t;
insert into t values (1, 'again');

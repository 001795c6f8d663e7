--! shows NOT NULL is set and dropped, and a default is set, changed and dropped.

create table t (id integer primary key, a text, b integer);

--! changes

insert into t values (1, 'a', 1);
--! wait
alter table t alter a set not null;
insert into t values (2, 'a', 2);
--! wait
alter table t alter b set default 7;
alter table t alter a drop not null;
insert into t (id) values (3);
--! wait
alter table t alter b drop default;
insert into t (id) values (4);

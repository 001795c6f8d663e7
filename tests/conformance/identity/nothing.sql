--! shows Replica identity NOTHING on a table that is only inserted into, created while both stream.

create table other (id integer primary key);

--! changes

create table t (a integer, b text);
alter table t replica identity nothing;
insert into t values (1, 'b');

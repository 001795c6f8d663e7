--! shows A table without any key, created while both stream, has records without key.

create table other (id integer primary key);

--! changes

create table t (a integer, b text not null);
insert into t values (1, 'b'), (1, 'b'), (null, 'c');

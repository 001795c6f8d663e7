--! shows A table without primary key, created while both stream, uses its unique index over NOT NULL columns as key.

create table other (id integer primary key);

--! changes

create table t (a integer not null, b text not null, c text);
create unique index t_b on t (b);
insert into t values (1, 'b', 'c'), (2, 'bb', null);

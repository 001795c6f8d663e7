--! shows The default `{}` of a `jsonb` column.

create table t (id integer primary key, jb jsonb not null default '{}');

--! changes

insert into t (id) values (1);

--! shows Two tables that differ only by case.

create table "T" (id integer primary key, note text);
create table t (id integer primary key, note text);

--! changes

insert into "T" values (1, 'upper');
insert into t values (1, 'lower');
update "T" set note = 'changed';

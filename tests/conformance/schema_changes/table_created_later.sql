--! shows Tables that are created while both stream, in the transaction of their first row and before it.

create table t (id integer primary key);

--! changes

insert into t values (1);
create table later (id integer primary key, note text not null);
insert into later values (1, 'one');
begin;
create table together (id serial primary key, note text);
insert into together (note) values ('one'), ('two');
commit;
update later set note = 'changed';

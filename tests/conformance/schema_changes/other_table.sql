--! shows DDL on a table without changes produces no record and no schema.

create table t (id integer primary key, note text);
create table idle (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
--! wait
alter table idle add column n integer;
comment on table t is 'a remark';
comment on column t.note is 'another';
create index t_note on t (note);
insert into t values (2, 'two');

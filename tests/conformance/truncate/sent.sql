--! shows Each truncated table is an event where configured: without key, without rows.
--! debezium skipped.operations = none
--! walcast events.operations = ["create", "update", "delete", "truncate"]

create table t (id integer primary key, note text);
create table child (id integer primary key references t);
create table keyless (note text);
alter table keyless replica identity full;

--! changes

insert into t values (1, 'one');
insert into child values (1);
truncate t cascade;
insert into keyless values ('one');
begin;
insert into t values (2, 'two');
truncate keyless, t, child restart identity;
insert into t values (1, 'again');
commit;

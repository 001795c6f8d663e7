--! shows A table is moved to another schema: its rows are written to the topic of that schema.

create schema "{schema}_other";
create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
--! wait
alter table t set schema "{schema}_other";
insert into "{schema}_other".t values (2, 'two');

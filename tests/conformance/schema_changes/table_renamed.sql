--! shows A table is renamed: its rows are written to the topic of the new name.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
--! wait
alter table t rename to renamed;
insert into renamed values (2, 'two');
update renamed set note = 'changed' where id = 1;

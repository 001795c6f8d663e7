--! shows `boolean`: true, false, null.

create table t (id integer primary key, b boolean, required boolean not null);

--! changes

insert into t values (1, true, true), (2, false, false), (3, null, true);

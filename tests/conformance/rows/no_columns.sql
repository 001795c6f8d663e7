--! shows A table with a key and no other column, and one without any column, created while both stream.
--! differs Debezium writes nothing for a row without columns; walcast writes a record.
--! at nothing_at_all

create table only_key (id integer primary key);

--! changes

insert into only_key values (1), (2);
delete from only_key where id = 1;
create table nothing_at_all ();
insert into nothing_at_all default values;

--! shows A primary key that the replica identity index does not cover.
--! differs Debezium takes the primary key, of which deletes tell nothing: all have the key 0. The index is the key here.
--! at by_index*

create table by_index (id integer primary key, code text not null, v text);
create unique index by_index_code on by_index (code);
alter table by_index replica identity using index by_index_code;

--! changes

insert into by_index values (1, 'c', 'v');
update by_index set v = 'w';
delete from by_index;

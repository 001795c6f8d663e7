--! shows A primary key that is not covered by the replica identity index.
--! differs Debezium uses the primary key, which deletes do not contain: all of them have the key 0. walcast uses the index as key.
--! at by_index*

create table by_index (id integer primary key, code text not null, v text);
create unique index by_index_code on by_index (code);
alter table by_index replica identity using index by_index_code;

--! changes

insert into by_index values (1, 'c', 'v');
update by_index set v = 'w';
delete from by_index;

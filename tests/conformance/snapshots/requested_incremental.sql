--! shows Rows that a signal requests while changes are streamed (`incremental`), of a table with a key of two columns.
--! debezium signal.data.collection = {schema}.signals
--! debezium incremental.snapshot.chunk.size = 2
--! walcast snapshot.signal_table = "{schema}.signals"

create table items (a integer, b text, note text, primary key (a, b));
create table signals (id varchar(42) primary key, type varchar(32) not null, data varchar(2048));
insert into items values (1, 'x', 'one'), (1, 'y', 'two'), (2, 'x', 'three'), (3, 'z', null), (4, 'x', 'five');

--! changes

insert into items values (5, 'x', 'six');

--! wait

insert into signals values ('ad-hoc-1', 'execute-snapshot', '{"data-collections": ["{schema}.items"], "type": "incremental"}');
--! reads 6

--! wait

update items set note = 'seven' where a = 1;

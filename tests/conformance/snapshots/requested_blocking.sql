--! shows Rows that a signal requests while changes are streamed, with the markers of a first start (`blocking`).
--! debezium signal.data.collection = {schema}.signals
--! walcast snapshot.signal_table = "{schema}.signals"

create table items (id integer primary key, note text);
create table signals (id varchar(42) primary key, type varchar(32) not null, data varchar(2048));
insert into items values (1, 'one'), (2, null), (3, 'three');

--! changes

insert into items values (4, 'four');

--! wait

insert into signals values ('ad-hoc-1', 'execute-snapshot', '{"data-collections": ["{schema}.items"], "type": "blocking"}');
--! reads 4

--! wait

update items set note = 'five' where id = 2;

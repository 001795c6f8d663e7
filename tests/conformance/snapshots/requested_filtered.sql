--! shows Rows that a signal requests by a condition.
--! debezium signal.data.collection = {schema}.signals
--! walcast snapshot.signal_table = "{schema}.signals"

create table items (id integer primary key, note text);
create table signals (id varchar(42) primary key, type varchar(32) not null, data varchar(2048));
insert into items values (1, 'one'), (2, null), (3, 'three'), (4, 'four');

--! changes

insert into items values (5, 'five');

--! wait

insert into signals values ('1', 'execute-snapshot', '{"data-collections": ["{schema}.items"], "type": "incremental",
    "additional-conditions": [{"data-collection": "{schema}.items", "filter": "id > 1 AND note IS NOT NULL"}]}');
--! reads 3

--! wait

delete from items where id = 1;

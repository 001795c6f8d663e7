--! shows Rows of several tables, one of them empty, that a signal requests by an expression.
--! debezium signal.data.collection = {schema}.signals
--! walcast snapshot.signal_table = "{schema}.signals"

create table items_a (id integer primary key);
create table items_b (id integer primary key);
create table items_c (id integer primary key);
create table other (id integer primary key);
create table signals (id varchar(42) primary key, type varchar(32) not null, data varchar(2048));
insert into items_a values (1), (2);
insert into items_c values (1);
insert into other values (1);

--! changes

insert into other values (2);

--! wait

insert into signals values ('1', 'execute-snapshot', '{"data-collections": ["{schema}.items_.*"], "type": "blocking"}');
--! reads 3

--! wait

insert into items_b values (5);

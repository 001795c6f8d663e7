--! shows Existing rows with transaction metadata enabled.
--! alone
--! debezium snapshot.mode = initial
--! walcast snapshot.mode = "initial"
--! debezium provide.transaction.metadata = true
--! walcast events.transactions = true

create table items (id integer primary key);
insert into items values (1), (2);

--! changes

insert into items values (3), (4);

--! shows Another name for the topic of transaction metadata.
--! debezium provide.transaction.metadata = true
--! debezium topic.transaction = edges
--! walcast events.transactions = true
--! walcast events.transaction_topic = "edges"
--! alone

create table t (id integer primary key);

--! changes

insert into t values (1);

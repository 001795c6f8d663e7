--! shows Truncations and messages count in a transaction as well.
--! debezium provide.transaction.metadata = true
--! debezium skipped.operations = none
--! walcast events.transactions = true
--! walcast events.operations = ["create", "update", "delete", "truncate"]
--! alone
--! differs Debezium counts each message under a name that contains a memory address; walcast counts all of them as LOGICAL_DECODING_MESSAGE.
--! at transaction#*.value.data_collections*
--! at message#*.value.transaction.data_collection_order

create table t (id integer primary key, note text);
create table u (id integer primary key references t);

--! changes

insert into t values (1, 'one');
insert into u values (1);
begin;
insert into t values (2, 'two');
select pg_logical_emit_message(true, 'app', 'first');
truncate t, u;
select pg_logical_emit_message(true, 'app', 'second');
insert into t values (3, 'three');
commit;

--! shows Logical decoding messages of a transaction with a replication origin, and one outside of transactions behind it.
--! alone
--! with 3.6 differs Debezium sends the origin of the transaction before in a message outside of transactions; walcast sends null.
--! with 3.6 at message#1.value.source.origin*

create table t (id integer primary key, note text);

--! changes

select pg_replication_origin_create('of messages');
select pg_replication_origin_session_setup('of messages');
begin;
select pg_replication_origin_xact_setup('0/1234', '2020-01-01 00:00:00+00');
insert into t values (1, 'one');
select pg_logical_emit_message(true, 'app', 'inside');
commit;
select pg_logical_emit_message(false, 'app', 'outside');
select pg_replication_origin_session_reset();
select pg_logical_emit_message(true, 'app', 'local');
insert into t values (2, 'two');

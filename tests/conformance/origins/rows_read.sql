--! shows Existing rows, one of a transaction with a replication origin, have none; a change after them has one.
--! debezium snapshot.mode = initial
--! walcast snapshot.mode = "initial"
--! alone

create table t (id integer primary key, note text);
insert into t values (1, 'local');
select pg_replication_origin_create('of rows');
select pg_replication_origin_session_setup('of rows');
insert into t values (2, 'from elsewhere');

--! changes

insert into t values (3, 'from elsewhere');

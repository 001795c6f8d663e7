--! shows Changes of transactions with a replication origin, with and without a position there, between transactions without one.

create table t (id integer primary key, note text);
create table without_key (note text);
alter table without_key replica identity full;

--! changes

insert into t values (1, 'local');
select pg_replication_origin_create('subscription 1');
select pg_replication_origin_create('Außenstelle "zwei" 漢字');
select pg_replication_origin_session_setup('subscription 1');
insert into t values (2, 'no position');
begin;
select pg_replication_origin_xact_setup('1A/2B3C4D5E', '2020-01-01 00:00:00+00');
insert into t values (3, 'a position');
update t set note = 'changed' where id = 1;
update t set id = 4 where id = 2;
delete from t where id = 1;
savepoint before;
insert into t values (5, 'never');
rollback to savepoint before;
insert into without_key values ('one'), ('two');
delete from without_key where note = 'one';
commit;
--! session other
insert into t values (6, 'local, beside the session with an origin');
--! session main
insert into t values (7, 'no position again');
select pg_replication_origin_session_reset();
insert into t values (8, 'local again');
select pg_replication_origin_session_setup('Außenstelle "zwei" 漢字');
begin;
select pg_replication_origin_xact_setup('FFFFFFFF/FFFFFFF0', '2020-01-01 00:00:00+00');
insert into t values (9, 'the other origin');
commit;

--! shows Changes of a session with a replication origin.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'local');
select pg_replication_origin_create('elsewhere');
select pg_replication_origin_session_setup('elsewhere');
begin;
select pg_replication_origin_xact_setup('0/ABCD', '2020-01-01 00:00:00+00');
insert into t values (2, 'from elsewhere');
commit;

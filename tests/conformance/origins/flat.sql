--! shows The row with its replication origin as additional fields and as headers.
--! only 3.6
--! debezium transforms = unwrap
--! debezium transforms.unwrap.type = io.debezium.transforms.ExtractNewRecordState
--! debezium transforms.unwrap.add.fields = op,origin,source.origin_lsn
--! debezium transforms.unwrap.add.headers = source.origin:from,origin_lsn
--! walcast format.shape = "flat"
--! walcast format.flat.fields = ["op", "origin", "source.origin_lsn"]
--! walcast format.flat.headers = ["source.origin:from", "origin_lsn"]

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'local');
select pg_replication_origin_create('of flat rows');
select pg_replication_origin_session_setup('of flat rows');
begin;
select pg_replication_origin_xact_setup('0/ABCDEF', '2020-01-01 00:00:00+00');
insert into t values (2, 'from elsewhere');
update t set note = 'changed' where id = 1;
delete from t where id = 1;
commit;

--! shows Attributes of structured CloudEvents with a replication origin.
--! debezium value.converter = io.debezium.converters.CloudEventsConverter
--! debezium value.converter.json.schemas.enable = false
--! walcast format.value = "json"
--! walcast format.shape = "cloud_events"

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'local');
select pg_replication_origin_create('of events');
select pg_replication_origin_session_setup('of events');
begin;
select pg_replication_origin_xact_setup('0/ABCDEF', '2020-01-01 00:00:00+00');
insert into t values (2, 'from elsewhere');
commit;

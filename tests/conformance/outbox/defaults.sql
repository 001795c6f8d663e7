--! shows Rows of an outbox table as events with Debezium's default columns: types of ids, keys and payloads, null, deleted rows.
--! differs Apicurio's converter registers a schema for the first topic that has it, and not for others with the same schema; walcast registers it under the subject of each topic, as Confluent's converter does.
--! at events.customer.key schema.1
--! at events.customer.value schema.1
--! at events.customer#0.key version
--! at events.customer#0.value version
--! alone
--! debezium transforms = outbox
--! debezium transforms.outbox.type = io.debezium.transforms.outbox.EventRouter
--! debezium transforms.outbox.predicate = outbox
--! debezium predicates = outbox
--! debezium predicates.outbox.type = org.apache.kafka.connect.transforms.predicates.TopicNameMatches
--! debezium predicates.outbox.pattern = {prefix}\.{schema}\.outbox
--! debezium transforms.outbox.route.topic.replacement = {prefix}.events.${routedByValue}
--! walcast outbox = [{ tables = "{schema}.outbox", route_topic = '{prefix}.events.$${routedByValue}' }]

create table outbox (
  id uuid primary key,
  aggregatetype varchar(255) not null,
  aggregateid varchar(255) not null,
  type varchar(255) not null,
  payload jsonb
);
create table other (id integer primary key, v text);

--! changes

insert into outbox values ('11111111-1111-1111-1111-111111111111', 'order', '1', 'OrderPlaced', '{"id": 1, "lines": [1, 2]}');
insert into outbox values ('22222222-2222-2222-2222-222222222222', 'customer', 'größe', 'Named', '"text"');
begin;
insert into outbox values ('33333333-3333-3333-3333-333333333333', 'order', '2', 'OrderPlaced', '{}');
insert into other values (1, 'v');
delete from outbox where aggregateid = '2';
commit;
insert into outbox values ('44444444-4444-4444-4444-444444444444', 'order', '3', 'OrderGone', null);
update outbox set type = 'Renamed' where aggregateid = '1';
update outbox set id = '55555555-5555-5555-5555-555555555555' where aggregateid = '3';
delete from outbox;

--! shows Events of an outbox whose payload is null or blank become tombstones.
--! alone
--! debezium transforms = outbox
--! debezium transforms.outbox.type = io.debezium.transforms.outbox.EventRouter
--! debezium transforms.outbox.predicate = outbox
--! debezium predicates = outbox
--! debezium predicates.outbox.type = org.apache.kafka.connect.transforms.predicates.TopicNameMatches
--! debezium predicates.outbox.pattern = {prefix}\.{schema}\.outbox
--! debezium transforms.outbox.route.tombstone.on.empty.payload = true
--! debezium transforms.outbox.table.op.invalid.behavior = error
--! debezium transforms.outbox.route.topic.replacement = {prefix}.events.${routedByValue}
--! walcast outbox = [{ tables = "{schema}.outbox", tombstone_on_empty_payload = true, on_update = "error", route_topic = '{prefix}.events.$${routedByValue}' }]

create table outbox (
  id integer primary key,
  aggregatetype text not null,
  aggregateid text not null,
  payload text
);

--! changes

insert into outbox values (1, 'order', '1', 'text');
insert into outbox values (2, 'order', '1', '');
insert into outbox values (3, 'order', '1', E' \t\n');
insert into outbox values (4, 'order', '1', null);
insert into outbox values (5, 'order', '1', '0');

--! shows Columns of an outbox in headers and in the value, with other names, and as the partition.
--! alone
--! debezium transforms = outbox
--! debezium transforms.outbox.type = io.debezium.transforms.outbox.EventRouter
--! debezium transforms.outbox.predicate = outbox
--! debezium predicates = outbox
--! debezium predicates.outbox.type = org.apache.kafka.connect.transforms.predicates.TopicNameMatches
--! debezium predicates.outbox.pattern = {prefix}\.{schema}\.outbox
--! debezium transforms.outbox.table.fields.additional.placement = kind:header:eventType,flag:header,number:header,raw:header,kind:envelope,version:envelope:schemaVersion,part:partition
--! debezium transforms.outbox.table.field.event.id = event
--! debezium transforms.outbox.table.field.event.key = about
--! debezium transforms.outbox.table.field.event.payload = body
--! debezium transforms.outbox.route.by.field = topic
--! debezium transforms.outbox.route.topic.regex = (.*)_v(\d+)
--! debezium transforms.outbox.route.topic.replacement = {prefix}.events.$1.$2
--! walcast outbox = [{ tables = "{schema}.outbox", id = "event", key = "about", payload = "body", route_by = "topic", route_pattern = '(.*)_v(\d+)', route_topic = '{prefix}.events.$1.$2', additional = ["kind:header:eventType", "flag:header", "number:header", "raw:header", "kind:envelope", "version:envelope:schemaVersion", "part:partition"] }]

create table outbox (
  event bigint primary key,
  topic text not null,
  about integer,
  body bytea not null,
  kind text,
  version integer not null default 1,
  flag boolean,
  number integer,
  raw bytea,
  part integer
);

--! changes

insert into outbox values (1, 'order_v1', 7, '\x00ff41', 'Placed "quoted"', 2, true, -5, '\x0102', 0);
insert into outbox values (2, 'order_v1', 7, '\x', null, default, null, null, null, 0);

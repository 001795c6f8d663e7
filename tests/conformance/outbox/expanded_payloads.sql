--! shows Payloads in JSON of an outbox as structs.
--! alone
--! debezium transforms = outbox
--! debezium transforms.outbox.type = io.debezium.transforms.outbox.EventRouter
--! debezium transforms.outbox.predicate = outbox
--! debezium predicates = outbox
--! debezium predicates.outbox.type = org.apache.kafka.connect.transforms.predicates.TopicNameMatches
--! debezium predicates.outbox.pattern = {prefix}\.{schema}\.outbox
--! debezium transforms.outbox.table.expand.json.payload = true
--! debezium transforms.outbox.table.json.payload.null.behavior = optional_bytes
--! debezium transforms.outbox.route.topic.replacement = {prefix}.events.${routedByValue}
--! walcast outbox = [{ tables = "{schema}.outbox", expand_json = true, json_null = "optional_bytes", route_topic = '{prefix}.events.$${routedByValue}' }]

create table outbox (
  id integer primary key,
  aggregatetype text not null,
  aggregateid text not null,
  payload jsonb
);

--! changes

insert into outbox values (1, 'order', '1', '{"text": "größe", "flag": true, "count": 7, "large": 2147483648, "price": 12.5, "none": null, "tags": ["a", null], "empty": [], "at": {"zip": "8000", "floor": 2}, "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]}');
insert into outbox values (2, 'order', '2', '{"text": "second", "at": {"floor": 3}, "parts": [{"n": 1}, {"n": 2, "sku": "b"}]}');
insert into outbox values (3, 'order', '3', '{}');
insert into outbox values (4, 'order', '4', null);

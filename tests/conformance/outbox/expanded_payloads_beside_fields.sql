--! shows Payloads in JSON of an outbox as structs, beside a further field.
--! alone
--! debezium transforms = outbox
--! debezium transforms.outbox.type = io.debezium.transforms.outbox.EventRouter
--! debezium transforms.outbox.predicate = outbox
--! debezium predicates = outbox
--! debezium predicates.outbox.type = org.apache.kafka.connect.transforms.predicates.TopicNameMatches
--! debezium predicates.outbox.pattern = {prefix}\.{schema}\.outbox
--! debezium transforms.outbox.table.expand.json.payload = true
--! debezium transforms.outbox.table.fields.additional.placement = kind:envelope
--! debezium transforms.outbox.route.topic.replacement = {prefix}.events.${routedByValue}
--! walcast outbox = [{ tables = "{schema}.outbox", expand_json = true, additional = ["kind:envelope"], route_topic = '{prefix}.events.$${routedByValue}' }]

create table outbox (
  id integer primary key,
  aggregatetype text not null,
  aggregateid text not null,
  kind text not null,
  payload jsonb
);

--! changes

insert into outbox values (1, 'order', '1', 'placed', '{"text": "größe", "count": 7, "none": null, "at": {"zip": "8000"}}');
insert into outbox values (2, 'order', '2', 'changed', '{"text": "second"}');
insert into outbox values (3, 'order', '3', 'removed', null);

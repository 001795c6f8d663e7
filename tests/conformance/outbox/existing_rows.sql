--! shows Rows that an outbox table has before the start are events too.
--! alone
--! debezium transforms = outbox
--! debezium transforms.outbox.type = io.debezium.transforms.outbox.EventRouter
--! debezium transforms.outbox.predicate = outbox
--! debezium predicates = outbox
--! debezium predicates.outbox.type = org.apache.kafka.connect.transforms.predicates.TopicNameMatches
--! debezium predicates.outbox.pattern = {prefix}\.{schema}\.outbox
--! debezium transforms.outbox.route.topic.replacement = {prefix}.events.${routedByValue}
--! debezium snapshot.mode = initial
--! walcast outbox = [{ tables = "{schema}.outbox", route_topic = '{prefix}.events.$${routedByValue}' }]
--! walcast snapshot.mode = "initial"

create table outbox (
  id integer primary key,
  aggregatetype text not null,
  aggregateid text not null,
  payload text not null
);
insert into outbox values (1, 'order', '1', 'before');

--! changes

insert into outbox values (2, 'order', '1', 'after');

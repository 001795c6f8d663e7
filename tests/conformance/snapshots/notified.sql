--! shows Notifications of a first start.
--! alone
--! debezium snapshot.mode = initial
--! debezium notification.enabled.channels = sink
--! debezium notification.sink.topic.name = {prefix}-notifications
--! walcast snapshot.mode = "initial"
--! walcast events.notification_topic = "{prefix}-notifications"
--! differs Debezium lists all tables, in no order; walcast lists those that are not completely read
--! at -notifications#*.value.additional_data.data_collections

create table items (id integer primary key, note text);
insert into items values (1, 'one'), (2, null), (3, 'three');

--! changes

insert into items values (4, 'four');

--! shows Partitioned tables whose changes belong to the topmost table, also for partitions with another column order.
--! alone

create table events (id integer, day date not null, v text, primary key (id, day)) partition by range (day);
create table events_2023 partition of events for values from ('2023-01-01') to ('2024-01-01');
create table events_2024 (v text, day date not null, id integer not null);
alter table events attach partition events_2024 for values from ('2024-01-01') to ('2025-01-01');
alter publication conformance set (publish_via_partition_root = true);

--! changes

insert into events values (1, '2023-05-01', 'a'), (2, '2024-05-01', 'b');
update events set v = 'c';
update events set day = '2024-06-01' where id = 1;
--! wait
create table events_2025 partition of events for values from ('2025-01-01') to ('2026-01-01');
insert into events values (3, '2025-05-01', 'd');
delete from events;

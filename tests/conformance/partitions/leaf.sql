--! shows Partitioned tables whose partitions have topics of their own.

create table events (id integer, day date not null, v text, primary key (id, day)) partition by range (day);
create table events_2023 partition of events for values from ('2023-01-01') to ('2024-01-01');
create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');

--! changes

insert into events values (1, '2023-05-01', 'a'), (2, '2024-05-01', 'b');
update events set v = 'c' where id = 1;
update events set day = '2024-06-01' where id = 1;
delete from events;

--! shows Intervals as ISO 8601 text.
--! debezium interval.handling.mode = string
--! walcast types.interval = "string"

create table t (id integer primary key, i interval, i0 interval(0), y interval year to month);
create table required (id integer primary key, i interval not null);
create table defaults (id integer primary key, i interval not null default '1 year 2 mons 3 days 04:05:06.789', j interval default '1 hour');

--! changes

insert into t values (1, '1 year 2 mons 3 days 04:05:06.789', '1 day', '1-2');
insert into t values (2, '-1 year -2 mons +3 days -04:05:06.789', '-1 second', '-13 months');
insert into t values (3, '0', '0', '0');
insert into t values (4, '00:00:00.000001', '100:00:00', null);
insert into t values (5, '-00:00:00.5', '59.9 seconds', null);
insert into t values (6, '1000000 hours', '10000 years', '10000 years');
insert into t values (7, '1 mon -1 day', '7 days 23:59:59', null);
insert into t values (8, '0.123456 s', '00:00:00', null);
insert into t values (9, '123456 days 0.000007 s', null, null);
insert into required values (1, '1 day');
delete from required;
insert into defaults (id) values (1);

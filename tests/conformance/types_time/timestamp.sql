--! shows `timestamp` in every precision: before 1970, BC, years of six digits, infinity.

create table t (id integer primary key, ts timestamp, ts0 timestamp(0), ts3 timestamp(3), ts5 timestamp(5));

--! changes

insert into t values (1, '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56', '2024-02-29 12:34:56.789', '2024-02-29 12:34:56.78901');
insert into t values (2, '0001-01-01 00:00:00', '1900-01-01 00:00:00', '1969-12-31 23:59:59.999', '1969-12-31 23:59:59.99999');
insert into t (id, ts0, ts3) values (3, '294276-12-31 23:59:59', '294276-12-31 23:59:59');
insert into t (id, ts) values (4, '294246-12-31 23:59:59.999999');
insert into t (id, ts, ts3) values (5, '0044-03-15 12:00:00 BC', '0044-03-15 12:00:00 BC');
insert into t (id, ts, ts3) values (6, 'infinity', 'infinity'), (7, '-infinity', '-infinity');
insert into t (id, ts, ts0) values (8, '4713-01-01 00:00:00 BC', '0001-12-31 BC'), (9, '1582-10-14 00:00:00', null), (10, '10000-01-01 00:00:00', null);

--! shows `timestamptz` as text in UTC: offsets, fractions with their zeros, BC, years of five and six digits, infinity.

create table t (id integer primary key, tz timestamptz, tz0 timestamptz(0), tz3 timestamptz(3));

--! changes

insert into t values (1, '2024-02-29 12:34:56.789012+05:30', '2024-02-29 12:34:56+00', '2024-02-29 12:34:56.789-08');
insert into t values (2, '1969-12-31 23:59:59.999999+00', '1900-01-01 00:00:00+00', '2024-06-30 12:00:00.12+00');
insert into t values (3, '294276-12-31 23:59:59.999999+00', '10000-01-01 00:00:00+00', null);
insert into t (id, tz) values (4, '0044-03-15 12:00:00+00 BC'), (5, 'infinity'), (6, '-infinity'), (7, '4713-01-01 00:00:00+00 BC');
insert into t (id, tz) values (8, '1582-10-14 00:00:00+00'), (9, '9999-12-31 23:59:59.999999+00'), (10, '2024-01-01 00:00:00.100+00'), (11, null);

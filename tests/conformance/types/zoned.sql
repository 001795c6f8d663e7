--! shows Timestamps and times of day with a time zone, in UTC.

create table t (id integer primary key, tz timestamptz, tz0 timestamptz(0), tz3 timestamptz(3), t timetz, t0 timetz(0), t3 timetz(3));
create table required (id integer primary key, tz timestamptz not null, t timetz not null);
create table defaults (id integer primary key, tz timestamptz not null default '2024-02-29 01:02:03.456789+02', tz_function timestamptz default now());

--! changes

insert into t values (1, '2024-02-29 12:34:56.789012+05:30', '2024-02-29 12:34:56+00', '2024-02-29 12:34:56.789+00', '12:34:56.789012+05:30', '12:34:56+00', '12:34:56.789-08');
insert into t values (2, '1883-11-18 12:03:58+00', '1969-12-31 23:59:59+00', '0044-03-15 12:00:00+00 BC', '00:00:00+14', '23:59:59-14', '01:02:03.1+00');
insert into t values (3, '10000-01-01 00:00:00+00', '294276-12-31 23:59:59+00', '1969-12-31 23:59:59.999+00', '24:00:00+00', '24:00:00+00', '24:00:00+02');
insert into t values (4, 'infinity', '-infinity', 'infinity');
insert into required values (1, '2024-02-29 12:34:56+00', '12:34:56+00');
delete from required;
insert into defaults (id, tz_function) values (1, '2000-01-01 00:00:00+00');

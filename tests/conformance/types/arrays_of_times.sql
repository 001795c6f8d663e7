--! shows Arrays of times and timestamps.
--! differs The JDBC driver reads arrays differently from single values: times of day lose their microseconds.
--! at t#0.value.after.t.0

create table t (id integer primary key, t time[], t3 time(3)[], ts timestamp[], ts3 timestamp(3)[], tz timestamptz[], z timetz[]);

--! changes

insert into t values (1, '{12:34:56.789012}', '{12:34:56}', '{2024-02-29 12:34:56.789012}', '{2024-02-29 12:34:56.789}', '{2024-02-29 12:34:56.789012+02}', '{12:34:56+00}');
insert into t (id, t3, ts) values (2, '{}', '{NULL}');

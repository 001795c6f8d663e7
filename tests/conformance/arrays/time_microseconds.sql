--! shows `time[]` with microseconds.
--! differs Debezium loses the microseconds; walcast is exact.
--! at t#*.value.after.t.0

create table t (id integer primary key, t time[]);

--! changes

insert into t values (1, '{12:34:56.789012}');

--! shows Infinity and 24:00 as text.
--! debezium time.precision.mode = isostring
--! walcast types.time = "isostring"
--! differs Debezium writes midnight for 24:00, and for infinity a timestamp that other rows can have too; walcast writes the value of the row.
--! at t#*.value.after.*

create table t (id integer primary key, d date, t time, t3 time(3), ts timestamp, ts3 timestamp(3));

--! changes

insert into t values (1, 'infinity', '24:00:00', '24:00:00', 'infinity', 'infinity');
insert into t values (2, '-infinity', null, null, '-infinity', '-infinity');

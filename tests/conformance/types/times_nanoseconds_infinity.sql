--! shows Infinity in nanoseconds.
--! debezium time.precision.mode = nanoseconds
--! walcast types.time = "nanoseconds"
--! differs Debezium's number overflows to a timestamp of 1969 or 1970; walcast writes the largest and the smallest number.
--! at t#*.value.after.ts*
--! with 3.6 equal

create table t (id integer primary key, d date, ts timestamp, ts3 timestamp(3));

--! changes

insert into t values (1, 'infinity', 'infinity', 'infinity');
insert into t values (2, '-infinity', '-infinity', '-infinity');

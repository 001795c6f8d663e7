--! shows Types for which Debezium has no placeholder.
--! differs Debezium logs an error and writes null; walcast never writes null for an existing value.
--! at t#1.value.after.*

create type public.toast_mood as enum ('sad', 'ok', 'happy');
create table t (id integer primary key, n integer, num numeric, af8 float8[], ats timestamp[], atz timestamptz[], at time[], ab bool[], anum numeric[], am toast_mood[]);
alter table t alter num set storage external, alter af8 set storage external, alter ats set storage external, alter atz set storage external,
    alter at set storage external, alter ab set storage external, alter anum set storage external, alter am set storage external;

--! changes

insert into t select 1, 0, ('1' || repeat('23', 5000))::numeric, (select array_agg(i::float8) from generate_series(1, 1000) i), (select array_agg(timestamp '2000-01-01' + make_interval(days => i)) from generate_series(1, 500) i), (select array_agg(timestamptz '2000-01-01 00:00:00+00' + make_interval(days => i)) from generate_series(1, 500) i), (select array_agg(time '00:00' + make_interval(secs => i)) from generate_series(1, 500) i), (select array_agg(i % 2 = 0) from generate_series(1, 3000) i), (select array_agg(i::numeric) from generate_series(1, 1000) i), (select array_agg('ok'::toast_mood) from generate_series(1, 1000));
update t set n = 1;

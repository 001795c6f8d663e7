--! shows Infinite dates and dates BC in arrays.
--! differs Debezium writes other numbers than in plain columns and loses BC; walcast writes the same as in plain columns.
--! at t#*.value.after.*

create table t (id integer primary key, d date[], ts timestamp[], tz timestamptz[]);

--! changes

insert into t values (2, '{infinity,-infinity,0044-03-15 BC}', '{infinity,-infinity,"0044-03-15 12:00:00 BC"}', '{infinity,-infinity,"0044-03-15 12:00:00+00 BC"}');

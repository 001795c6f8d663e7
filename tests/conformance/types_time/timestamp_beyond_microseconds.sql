--! shows `timestamp` after 294247-01-10, where microseconds since 1970 no longer fit into 64 bits.
--! halts Debezium wraps around to a date long ago; walcast writes no other value than the row holds.
--! says column ts of {schema}.t

create table t (id integer primary key, ts timestamp);

--! changes

insert into t values (1, '294276-12-31 23:59:59.999999');

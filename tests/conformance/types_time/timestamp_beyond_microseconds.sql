--! shows `timestamp` after 294247-01-10, where microseconds since 1970 exceed 64 bits.
--! halts Debezium overflows to a date in the distant past; walcast halts.
--! says column ts of {schema}.t

create table t (id integer primary key, ts timestamp);

--! changes

insert into t values (1, '294276-12-31 23:59:59.999999');

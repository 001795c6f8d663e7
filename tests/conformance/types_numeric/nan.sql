--! shows `NaN` and infinities in `numeric`, for which there is no decimal.
--! halts Debezium logs an error and writes null; walcast has no such form and does not lose the value.
--! says column n of {schema}.t

create table t (id integer primary key, n numeric(10, 2), f numeric);

--! changes

insert into t values (1, 'NaN', 1);

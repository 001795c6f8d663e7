--! shows `NaN` and infinities in `numeric`, which have no decimal form.
--! halts Debezium logs an error and writes null; walcast halts and loses no value.
--! says column n of {schema}.t

create table t (id integer primary key, n numeric(10, 2), f numeric);

--! changes

insert into t values (1, 'NaN', 1);

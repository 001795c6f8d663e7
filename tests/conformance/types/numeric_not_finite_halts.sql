--! shows A value that is not finite has no decimal form: the stream stops, and no value is lost.
--! halts Debezium sends null; types.unwritable = "null" does the same.
--! says column n of types_numeric_not_finite_halts.t

create table t (id integer primary key, n numeric(10, 2));

--! changes

insert into t values (1, 'NaN');

--! shows An array of two dimensions, for which Debezium's schemas have no form.
--! halts Debezium writes nulls, or the name of a Java object; walcast halts and loses no value.
--! says column i4 of {schema}.t

create table t (id integer primary key, i4 int[]);

--! changes

insert into t values (1, '{{1,2},{3,4}}');

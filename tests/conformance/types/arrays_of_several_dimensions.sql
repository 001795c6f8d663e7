--! shows An array of several dimensions is not a list: the stream stops, and no value is lost.
--! halts Debezium sends a list of nulls; types.arrays = "text" sends what the server prints.
--! says column a of types_arrays_of_several_dimensions.t

create table t (id integer primary key, a integer[]);

--! changes

insert into t values (1, '{{1,2},{3,4}}');

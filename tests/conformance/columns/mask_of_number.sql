--! shows A mask for a numeric column.
--! debezium column.mask.with.5.chars = .*\.salary
--! walcast columns.mask = [{ columns = ["*.*.salary"], length = 5 }]
--! halts Debezium sends the number unchanged, although the column is to be masked.
--! says which is for text

create table t (id integer primary key, salary integer);

--! changes

insert into t values (1, 5000);

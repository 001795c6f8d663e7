--! shows A number beyond the largest double.
--! debezium decimal.handling.mode = double
--! walcast types.decimal = "double"
--! halts Debezium writes infinity, which is another value.
--! says the value cannot be written as a finite double

create table t (id integer primary key, n numeric);

--! changes

insert into t values (1, 1e400);

--! shows `smallint`, `integer`, `bigint` and `oid` at both limits of their ranges, and null.

create table t (id integer primary key, i2 smallint, i4 integer, i8 bigint, o oid);

--! changes

insert into t values (1, 12, 34, 56, 4000000000);
insert into t values (2, -32768, -2147483648, -9223372036854775808, 0);
insert into t values (3, 32767, 2147483647, 9223372036854775807, 4294967295);
insert into t values (4, null, null, null, null);
insert into t values (5, 0, 0, 0, 1);
update t set i4 = 35 where id = 1;
delete from t where id = 1;

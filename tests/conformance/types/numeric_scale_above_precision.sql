--! shows A scale above the precision, which is invalid in Avro's decimal and valid in Connect's.

create table t (id integer primary key, n numeric(3, 5));

--! changes

insert into t values (1, 0.00123);
insert into t values (2, -0.00999);

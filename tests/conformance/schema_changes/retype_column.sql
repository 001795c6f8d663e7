--! shows A column changes its type: `integer` to `bigint`, `varchar` to `text`, `numeric` to another scale.

create table t (id integer primary key, i integer, v varchar(10), n numeric(10, 2));

--! changes

insert into t values (1, 1, 'v', 1.25);
--! wait
alter table t alter i type bigint, alter v type text, alter n type numeric(12, 4);
insert into t values (2, 9000000000, 'longer than ten', 1.2345);
update t set v = 'vv' where id = 1;

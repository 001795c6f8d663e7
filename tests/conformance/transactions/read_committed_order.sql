--! shows Transactions on the same row; one of them starts long before it writes.

create table t (id integer primary key, n integer);
insert into t values (1, 0);

--! changes

--! session old
begin isolation level read committed;
select * from t;
--! session new
update t set n = n + 1;
update t set n = n + 10;
--! session old
update t set n = n + 100;
commit;

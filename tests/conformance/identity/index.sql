--! shows A unique index as replica identity of a table without primary key.

create table t (a integer not null, b text not null, c integer not null, d text);
create unique index t_cb on t (c, b);
alter table t replica identity using index t_cb;

--! changes

insert into t values (1, 'b', 2, 'd');
update t set d = 'dd' where a = 1;
update t set c = 3 where a = 1;
delete from t where a = 1;

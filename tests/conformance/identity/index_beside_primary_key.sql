--! shows A unique index as replica identity beside a primary key of other columns.
--! differs Debezium keeps the primary key and sends a delete, or a change of the index columns, under key 0, the key of another row; walcast uses the index as key.
--! at t.key schema.1.*
--! at t#*

create table t (a integer primary key, b integer not null, c text not null, d text);
create unique index t_b on t (b);
alter table t replica identity using index t_b;

--! changes

insert into t values (1, 2, 'c', 'd');
update t set d = 'dd' where a = 1;
update t set b = 3 where a = 1;
update t set a = 2 where a = 1;
update t set a = 3, b = 4 where a = 2;
delete from t where a = 3;

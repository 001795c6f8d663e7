--! shows A primary key of two columns, declared in another order than the columns; parts of it change.

create table t (a integer not null, b text, c text not null, primary key (c, a));

--! changes

insert into t values (1, 'b', 'c');
update t set b = null where a = 1;
update t set a = 2 where a = 1;
update t set a = 3, c = 'd' where a = 2;
delete from t where a = 3;

--! shows A primary key with included columns, which are not part of the key.

create table t (id integer, note text, primary key (id) include (note));

--! changes

insert into t values (1, 'one');
update t set note = 'two';
delete from t;

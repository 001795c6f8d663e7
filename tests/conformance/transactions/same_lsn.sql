--! shows Rows of one multi-row insert, which share an LSN.

create table t (id integer primary key, note text);

--! changes

insert into t select i, 'row ' || i from generate_series(1, 500) i;
update t set note = 'changed' where id % 50 = 0;
delete from t where id % 100 = 0;

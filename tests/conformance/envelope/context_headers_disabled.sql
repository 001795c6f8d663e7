--! shows Records without Debezium's context headers; the headers of changed keys remain.
--! debezium extended.headers.enabled = false
--! walcast format.context_headers = false

create table t (id integer primary key, note text);

insert into t values (1, 'read');

--! changes

insert into t values (2, 'two');
update t set note = 'changed' where id = 2;
update t set id = 3 where id = 2;
delete from t where id = 3;

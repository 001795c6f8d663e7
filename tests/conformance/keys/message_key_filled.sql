--! shows Keys with columns that deletes do not contain, filled with the zero value of their type.
--! debezium message.key.columns = .*\.t:id,code,amount,note
--! walcast keys = [{ tables = "*.t", columns = ["id", "code", "amount", "note"], missing = "fill" }]

create table t (id integer primary key, code text not null, amount integer not null default 5, note text);

--! changes

insert into t values (1, 'c', 2, 'n');
update t set note = 'm' where id = 1;
update t set id = 2 where id = 1;
delete from t where id = 2;

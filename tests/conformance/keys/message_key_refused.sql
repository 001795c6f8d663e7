--! shows Keys with columns that deletes do not contain.
--! debezium message.key.columns = .*\.t:id,code
--! walcast keys = [{ tables = "*.t", columns = ["id", "code"] }]
--! halts Debezium sends a delete with another key than that of the row; missing = "fill" does the same.
--! says REPLICA IDENTITY FULL

create table t (id integer primary key, code text not null);

--! changes

insert into t values (1, 'c');

--! shows Selected columns; the key is always complete.
--! debezium column.include.list = .*\.t\.(a|b),.*\.u\.id,.*conformance_end.*
--! walcast columns.include = ['/.*\.t\.(a|b)/', "*.u.id", "*.conformance_end.*"]

create table t (id integer primary key, a integer, b text, c text);
create table u (id integer primary key, a integer);

--! changes

insert into t values (1, 2, 'b', 'c');
update t set c = 'd';
delete from t;
insert into u values (1, 2);

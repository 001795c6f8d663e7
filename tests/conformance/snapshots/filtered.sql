--! shows Rows that a condition selects.
--! alone
--! debezium snapshot.mode = initial
--! walcast snapshot.mode = "initial"
--! debezium snapshot.select.statement.overrides = snapshots_filtered.items
--! debezium snapshot.select.statement.overrides.snapshots_filtered.items = select * from snapshots_filtered.items where id > 4
--! walcast snapshot.filters = [{ tables = "*.items", where = "id > 4" }]

create table items (id integer primary key, note text);
insert into items select n, 'note' from generate_series(1, 6) n;

--! changes

insert into items values (7, 'seven');

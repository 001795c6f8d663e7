--! shows The type `name`.
--! differs Debezium 3.3.1 writes null for it; walcast writes the value.
--! at t#*.value.after.nm

create table t (id integer primary key, nm name);

--! changes

insert into t values (1, 'name');

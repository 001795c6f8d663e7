--! shows `numeric(5, -2)`: rounded to hundreds.
--! differs Debezium interprets -2 as scale 2046 and writes a corresponding number; walcast uses scale 0 and two more digits.
--! at t.value schema.1.fields.before.type.1.fields.n.type.1.*
--! at t#*.value.after.n

create table t (id integer primary key, n numeric(5, -2));

--! changes

insert into t values (1, 12345);

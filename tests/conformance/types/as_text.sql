--! shows Any type as the text that the server prints, by setting.
--! walcast types.as_text = ["numeric", "integer[]"]
--! differs Debezium has no such mode.
--! at t.value schema.1.fields.before.type.1.fields.*
--! at t#*.value.after.*

create table t (id integer primary key, n numeric(10, 2), nf numeric, i integer[]);

--! changes

insert into t values (1, 'NaN', '-Infinity', '{{1},{2}}');

--! shows Arrays as the text that the server prints, by setting.
--! walcast types.arrays = "text"
--! differs Debezium has no such mode, and loses the further dimensions.
--! at t.value schema.1.fields.before.type.1.fields.*
--! at t#*.value.after.*

create table t (id integer primary key, i integer[], e text[]);

--! changes

insert into t values (1, '{{1,2},{3,NULL}}', '[5:6]={a,b}');

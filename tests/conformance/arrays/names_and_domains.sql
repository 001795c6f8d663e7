--! shows Arrays of `name` and of a domain.
--! differs Debezium writes null or omits the column; walcast writes the values.
--! at t.value schema.1.fields.before.type.1.fields.*
--! at t#*.value.after.*

create domain positive as integer check (value > 0);
create table t (id integer primary key, nm name[], dom positive[]);

--! changes

insert into t values (4, '{a,"b c",NULL}', '{1,2}');

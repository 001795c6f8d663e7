--! shows The default of an enum outside of the search path of the connector's user.
--! differs Debezium does not parse a literal that is cast to `schema.type`, and has no default; walcast has it, as for any other enum.
--! at t.value schema.1.fields.before.type.1.fields.*
--! at t#1.value.before.*
--! at t#3.value.after.m

create type mood as enum ('sad', 'ok', 'happy');
create table t (id integer primary key, required mood not null default 'ok', m mood default 'sad');

--! changes

insert into t (id) values (1);
delete from t;
insert into t values (2, 'ok', null);

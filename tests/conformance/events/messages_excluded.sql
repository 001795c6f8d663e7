--! shows Messages excluded by their prefix.
--! debezium message.prefix.exclude.list = debug.*
--! walcast events.exclude_messages = ["debug*"]
--! alone

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
select pg_logical_emit_message(true, 'debugging', 'not sent');
select pg_logical_emit_message(true, 'app', 'sent');

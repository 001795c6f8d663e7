--! shows Messages selected by their prefix; the positions of the others still count in the sequence.
--! debezium message.prefix.include.list = app.*
--! walcast events.messages = ["app*"]
--! alone

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
select pg_logical_emit_message(false, 'application', 'sent');
select pg_logical_emit_message(false, 'other', 'not sent');
insert into t values (2, 'two');
begin;
select pg_logical_emit_message(true, 'other', 'not sent');
select pg_logical_emit_message(true, 'app', 'sent');
insert into t values (3, 'three');
commit;

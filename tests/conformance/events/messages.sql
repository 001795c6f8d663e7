--! shows Logical decoding messages in transactions and between them, beside rows.
--! alone

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'one');
select pg_logical_emit_message(true, 'app', 'in a transaction of its own');
select pg_logical_emit_message(false, 'app', 'in none');
begin;
insert into t values (2, 'two');
select pg_logical_emit_message(true, 'other', '\x00ff41'::bytea);
select pg_logical_emit_message(false, 'app', 'before the commit of what surrounds it');
insert into t values (3, 'three');
commit;
begin;
select pg_logical_emit_message(true, 'app', 'never');
select pg_logical_emit_message(false, '', 'whatever becomes of the transaction');
rollback;
select pg_logical_emit_message(true, '', '');
insert into t values (4, 'four');

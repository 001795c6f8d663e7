--! shows Bytes as base64-url-safe.
--! debezium binary.handling.mode = base64-url-safe
--! walcast types.binary = "base64_url_safe"

create table t (id integer primary key, b bytea, a bytea[]);
create table required (id integer primary key, b bytea not null);

--! changes

insert into t values (1, '\x00ff41fbef', array['\x00ff'::bytea, '\x', null]);
insert into t values (2, '', '{}');
insert into t values (3, '\x0102', null);
insert into required values (1, '\x41');
delete from required;

--! shows NULL in an array of enum labels, whose elements cannot be null in Debezium's schema.
--! halts Debezium writes null for the whole array; walcast halts and loses no label.
--! says column m of {schema}.t

create type public.null_mood as enum ('sad', 'ok');
create table t (id integer primary key, m null_mood[]);

--! changes

insert into t values (1, '{sad,NULL}');

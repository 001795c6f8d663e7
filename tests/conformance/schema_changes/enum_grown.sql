--! shows One label is added at the end of an enum and another in the middle; rows with them follow.
--! differs Debezium 3.3.1 keeps the labels of the first row in its schema; walcast registers the current labels.
--! at t.value schema.2
--! at t.value schema.3
--! at t#*.value version

create type public.grown as enum ('a', 'c');
create table t (id integer primary key, g grown);

--! changes

insert into t values (1, 'a');
--! wait
alter type grown add value 'd';
insert into t values (2, 'd');
--! wait
alter type grown add value 'b' before 'c';
insert into t values (3, 'b'), (4, 'a');

--! shows An enum of schema `public`, as a column and in an array.

create type public.mood as enum ('sad', 'ok', 'happy');
create table t (id integer primary key, m mood, ms mood[]);

--! changes

insert into t values (1, 'happy', '{sad,happy}'), (2, null, null), (3, 'ok', '{}');

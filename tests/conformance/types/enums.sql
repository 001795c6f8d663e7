--! shows Labels in their order, and domains over domains.

create type public.mood as enum ('sad', 'ok', 'happy');
create domain public.label as varchar(30);
create domain public.short_label as public.label;
create table t (id integer primary key, m public.mood, d public.mood not null default 'ok', l public.label, s public.short_label);
create table required (id integer primary key, m public.mood not null);

--! changes

insert into t values (1, 'sad', 'ok', 'l', 's');
insert into t values (2, 'ok', 'happy', null, null);
insert into required values (1, 'happy');
delete from required;

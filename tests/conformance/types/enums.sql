--! shows Labels in their sort order, and domains over domains.

create type public.temper as enum ('sad', 'ok', 'happy');
create domain public.tag as varchar(30);
create domain public.short_tag as public.tag;
create table t (id integer primary key, m public.temper, d public.temper not null default 'ok', l public.tag, s public.short_tag);
create table required (id integer primary key, m public.temper not null);

--! changes

insert into t values (1, 'sad', 'ok', 'l', 's');
insert into t values (2, 'ok', 'happy', null, null);
insert into required values (1, 'happy');
delete from required;

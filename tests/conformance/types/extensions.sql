--! shows Types of extensions that are text: citext, ltree, isbn.

create extension if not exists citext schema public;
create extension if not exists ltree schema public;
create extension if not exists isn schema public;
create table t (id integer primary key, c public.citext, l public.ltree, i public.isbn, ca public.citext[]);
create table required (id integer primary key, c public.citext not null, l public.ltree not null, i public.isbn not null);

--! changes

insert into t values (1, 'MiXed', 'Top.Science.Astronomy', '0-393-04002-X', '{a,NULL,"b c"}');
insert into t values (2, '', '', null, '{}');
insert into required values (1, 'c', 'a.b', '0-393-04002-X');
delete from required;

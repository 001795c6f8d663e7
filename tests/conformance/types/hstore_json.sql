--! shows hstore as a JSON object, the default.

create extension if not exists hstore schema public;
create table t (id integer primary key, h public.hstore, n integer);
create table required (id integer primary key, h public.hstore not null);
alter table t alter h set storage external;

--! changes

insert into t values (1, 'a=>1, b=>NULL, "quo\"te"=>"back\\slash", "ä€𝄞"=>"ä€𝄞"');
insert into t values (2, '');
insert into t values (3, null);
insert into t select 4, public.hstore(array_agg('key ' || n), array_agg(n::text)) from generate_series(1, 40) n;
insert into t select 5, public.hstore('large', repeat('x', 9000)), 1;
update t set n = 2 where id = 5;
insert into required values (1, 'a=>1');
delete from required;

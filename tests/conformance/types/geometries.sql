--! shows Geometries and geographies in the text form of PostGIS, with imitated types.

create type public.geometry;
create function public.geometry_in(cstring) returns public.geometry language internal immutable strict as 'textin';
create function public.geometry_out(public.geometry) returns cstring language internal immutable strict as 'textout';
create type public.geometry (input = public.geometry_in, output = public.geometry_out, like = text, delimiter = ':');
create type public.geography;
create function public.geography_in(cstring) returns public.geography language internal immutable strict as 'textin';
create function public.geography_out(public.geography) returns cstring language internal immutable strict as 'textout';
create type public.geography (input = public.geography_in, output = public.geography_out, like = text, delimiter = ':');
create table t (id integer primary key, g public.geometry, y public.geography, a public.geometry[]);
create table required (id integer primary key, g public.geometry not null, y public.geography not null);

--! changes

insert into t values (1, '0101000020E610000000000000000000400000000000000840', '0101000020E610000000000000000000400000000000000840', '{0101000020E610000000000000000000400000000000000840:010700000000000000}');
insert into t values (2, '0101000000000000000000F03F0000000000000040', null, null);
insert into t values (3, '00200000010000138840000000000000004008000000000000', null, '{}');
insert into required values (1, '010700000000000000', '010700000000000000');
delete from required;

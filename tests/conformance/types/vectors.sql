--! shows Vectors in the text form of pgvector, with imitated types.

create type public.vector;
create function public.vector_in(cstring) returns public.vector language internal immutable strict as 'textin';
create function public.vector_out(public.vector) returns cstring language internal immutable strict as 'textout';
create type public.vector (input = public.vector_in, output = public.vector_out, like = text);
create type public.halfvec;
create function public.halfvec_in(cstring) returns public.halfvec language internal immutable strict as 'textin';
create function public.halfvec_out(public.halfvec) returns cstring language internal immutable strict as 'textout';
create type public.halfvec (input = public.halfvec_in, output = public.halfvec_out, like = text);
create type public.sparsevec;
create function public.sparsevec_in(cstring) returns public.sparsevec language internal immutable strict as 'textin';
create function public.sparsevec_out(public.sparsevec) returns cstring language internal immutable strict as 'textout';
create type public.sparsevec (input = public.sparsevec_in, output = public.sparsevec_out, like = text);
create table t (id integer primary key, v public.vector, h public.halfvec, s public.sparsevec);
create table required (id integer primary key, v public.vector not null, h public.halfvec not null);

--! changes

insert into t values (1, '[1,2.5,-0.1]', '[1,2.5,-0.1]', '{1:0.5,3:2}/5');
insert into t values (2, '[1e-05]', '[65504]', '{2:1}/2');
insert into t values (3);
insert into required values (1, '[1]', '[2]');
delete from required;

--! shows Types that Debezium does not know are sent by default.
--! differs Debezium omits such columns; types.unknown = "drop" does the same.
--! at t.value schema*
--! at t#*.value.after.*

create type public.two as (a integer, b text);
create domain public.lots as integer check (value < 10);
create table t (
    id integer primary key, n name, c public.two, b box, l lseg, pa path, po polygon, ci circle, li line, ls pg_lsn, q tsquery,
    m int4multirange, r regclass, ma money[], ia interval[], na name[], pta point[], xa xml[], ca public.two[], da public.lots[], after text);

--! changes

insert into t values (1, 'a name', '(1,"x y")', '(1,1),(0,0)', '[(0,0),(1,1)]', '((0,0),(1,1))', '((0,0),(1,1),(1,0))', '<(0,0),1>', '{1,2,3}', '0/16B3748', 'a & b',
    '{[1,3),[5,7)}', 'pg_class', '{$1.00}', '{1 day}', '{x}', '{"(1,2)"}', '{<a/>}', '{"(1,x)"}', '{1,2}', 'end');
insert into t (id, after) values (2, 'end');

--! shows Types that Debezium does not know are omitted, by setting, as in Debezium.
--! walcast types.unknown = "drop"

create type public.pair as (a integer, b text);
create domain public.few as integer check (value < 10);
create table t (
    id integer primary key, n name, c public.pair, b box, l lseg, pa path, po polygon, ci circle, li line, ls pg_lsn, q tsquery,
    m int4multirange, r regclass, ma money[], ia interval[], na name[], pta point[], xa xml[], ca public.pair[], da public.few[], after text);

--! changes

insert into t values (1, 'a name', '(1,"x y")', '(1,1),(0,0)', '[(0,0),(1,1)]', '((0,0),(1,1))', '((0,0),(1,1),(1,0))', '<(0,0),1>', '{1,2,3}', '0/16B3748', 'a & b',
    '{[1,3),[5,7)}', 'pg_class', '{$1.00}', '{1 day}', '{x}', '{"(1,2)"}', '{<a/>}', '{"(1,x)"}', '{1,2}', 'end');
insert into t (id, after) values (2, 'end');

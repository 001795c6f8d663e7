--! shows Types that Debezium does not know are sent as bytes, by setting.
--! debezium include.unknown.datatypes = true
--! walcast types.unknown = "bytes"

create type public.couple as (a integer, b text);
create domain public.several as integer check (value < 10);
create table t (
    id integer primary key, n name, c public.couple, ls pg_lsn, q tsquery,
    m int4multirange, r regclass, ma money[], ia interval[], na name[], pta point[], xa xml[], ca public.couple[], da public.several[], after text);

--! changes

insert into t values (1, 'a name', '(1,"x y")', '0/16B3748', 'a & b',
    '{[1,3),[5,7)}', 'pg_class', '{$1.00}', '{1 day}', '{x}', '{"(1,2)"}', '{<a/>}', '{"(1,x)"}', '{1,2}', 'end');
insert into t (id, after) values (2, 'end');

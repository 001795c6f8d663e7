--! shows The same under replica identity FULL: the value is taken from the old row.

create table t (id integer primary key, n integer, txt text, bin bytea);
alter table t alter txt set storage external, alter bin set storage external;
alter table t replica identity full;

--! changes

insert into t select 1, 0, r, r::bytea from (select string_agg(md5(i::text), '') r from generate_series(1, 100) i);
update t set n = 1;
update t set id = 2;
update t set txt = 'short';
delete from t;

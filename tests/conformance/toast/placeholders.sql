--! shows Unchanged TOAST values: the placeholder of each type.

create domain label_long as text;
create table t (
    id integer primary key, n integer, txt text, vc varchar, bin bytea, js json, jb jsonb, num_p numeric(1000, 2), c char(9000), doml label_long,
    atxt text[], ai4 integer[], ai8 bigint[], abin bytea[], au uuid[], ad date[], ajb jsonb[], txt_nn text not null
);
alter table t alter txt set storage external, alter vc set storage external, alter bin set storage external, alter js set storage external,
    alter jb set storage external, alter doml set storage external, alter num_p set storage external, alter c set storage external,
    alter atxt set storage external, alter ai4 set storage external, alter ai8 set storage external, alter abin set storage external,
    alter au set storage external, alter ad set storage external, alter ajb set storage external, alter txt_nn set storage external;

--! changes

insert into t select 1, 0, r, r, r::bytea, json_build_object('k', r), jsonb_build_object('k', r), repeat('9', 998)::numeric, r, r, array[r], (select array_agg(i) from generate_series(1, 1000) i), (select array_agg(i::bigint) from generate_series(1, 1000) i), array[r::bytea], (select array_agg(lpad(to_hex(i), 32, '0')::uuid) from generate_series(1, 200) i), (select array_agg(date '2000-01-01' + i) from generate_series(1, 1000) i), array[jsonb_build_object('k', r)], r from (select string_agg(md5(i::text), '') r from generate_series(1, 100) i);
update t set n = 1;
update t set id = 2;
delete from t;

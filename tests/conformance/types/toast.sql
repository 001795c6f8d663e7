--! shows Placeholders of unchanged TOAST values.

create table t (id integer primary key, n integer, x xml, ts tsvector, bp char(9000), r text, u uuid[], xs text[], i8 bigint[], d date[]);
alter table t alter x set storage external, alter ts set storage external, alter bp set storage external, alter r set storage external,
    alter u set storage external, alter xs set storage external, alter i8 set storage external, alter d set storage external;

--! changes

insert into t select 1, 1, ('<a>' || repeat('x', 9000) || '</a>')::xml, (select string_agg('w' || n, ' ')::tsvector from generate_series(1, 3000) n), 'c', repeat('y', 9000),
    array_fill('6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11'::uuid, array[1000]), array_fill('text'::text, array[3000]), array_fill(7::bigint, array[3000]), array_fill('2024-02-29'::date, array[3000]);
update t set n = 2;

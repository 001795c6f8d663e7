--! shows A table of 300 columns, some of them set.

do $$ begin
    execute 'create table {schema}.t (id integer primary key, ' || (select string_agg('c' || i || ' ' || (array['integer', 'text', 'numeric(9,2)'])[i % 3 + 1], ', ') from generate_series(1, 300) i) || ')';
end $$;

--! changes

insert into t (id, c1, c150, c299) values (1, 'a', 5, 7.25);
update t set c300 = 9;

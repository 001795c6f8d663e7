--! shows Domains, and domains over domains, as their base type.

create domain positive as integer check (value > 0);
create domain price as numeric(12, 2);
create domain small_price as price;
create table t (id integer primary key, d positive, p price, s small_price);

--! changes

insert into t values (1, 5, 7.25, 8.5);
insert into t values (2, null, null, null);
update t set p = 7 where id = 1;

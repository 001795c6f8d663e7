--! shows Money as text.
--! debezium decimal.handling.mode = string
--! walcast types.decimal = "string"

create table t (id integer primary key, m money);
create table required (id integer primary key, m money not null);

--! changes

insert into t values (1, 0::money);
insert into t values (2, 1234.5::numeric::money);
insert into t values (3, '-92233720368547758.08'::money);
insert into t values (4, '92233720368547758.07'::money);
insert into t values (5, '-0.01'::money);
insert into t values (6, null);
insert into required values (1, 7::money);
delete from required;

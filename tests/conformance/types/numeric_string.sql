--! shows Decimal numbers as text.
--! debezium decimal.handling.mode = string
--! walcast types.decimal = "string"

create table t (
    id integer primary key, n_10_2 numeric(10, 2), n_38_0 numeric(38), n_free numeric,
    d numeric(10, 2) default 5, d_free numeric default 12.50, d_function numeric(10, 2) default round(1.239));
create table required (
    id integer primary key, n_10_2 numeric(10, 2) not null, n_free numeric not null, d numeric(8, 3) not null default 12.3);
create domain price as numeric(12, 2);
create table domains (id integer primary key, p price);

--! changes

insert into t values (1, 12.30, 99999999999999999999999999999999999999, 0);
insert into t values (2, -0.01, -1, 12345678901234567890.1234567890);
insert into t values (3, 0, 0, 1.500);
insert into t values (4, 1, 1, -100, null, null, null);
insert into t values (5, 99999999.99, 7, 0.000);
insert into required values (1, 1.5, 1.50);
delete from required;
insert into domains values (1, 9.5);
insert into t values (6, 'NaN', null, 'NaN');
insert into t values (7, null, null, 'Infinity');
insert into t values (8, null, null, '-Infinity');

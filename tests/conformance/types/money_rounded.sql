--! shows Money with more digits than configured.
--! debezium money.fraction.digits = 0
--! walcast types.money_fraction_digits = 0
--! halts Debezium rounds them.
--! says column m of types_money_rounded.t

create table t (id integer primary key, m money);

--! changes

insert into t values (1, 1::money);
insert into t values (2, '1.50'::money);

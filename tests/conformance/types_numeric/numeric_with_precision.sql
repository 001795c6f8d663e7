--! shows `numeric(p, s)` as a decimal: signs, minimal number of bytes, forty digits, scale 0.

create table t (id integer primary key, n_10_2 numeric(10, 2), n_38_0 numeric(38), n_60_20 numeric(60, 20));

--! changes

insert into t values (1, 123.45, 12345678901234567890, 1.5);
insert into t values (2, -99999999.99, -99999999999999999999999999999999999999, -1234567890123456789012345678901234567890.12345678901234567890);
insert into t values (3, 0, 0, 0), (4, -0.01, 127, -0.5), (5, 1.28, -128, null), (6, -1.28, 128, null), (7, 2.55, 255, 0.00000000000000000001);
insert into t values (8, null, null, null);

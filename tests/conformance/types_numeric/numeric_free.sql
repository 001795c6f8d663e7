--! shows `numeric` without precision as scale and number: trailing zeros, whole numbers, fifty digits.

create table t (id integer primary key, n numeric);

--! changes

insert into t values (1, 1.500), (2, -0.000001), (3, 0), (4, 12345678901234567890123456789012345678901234567890.1234567890);
insert into t values (5, 1e20), (6, 1200.00), (7, -100), (8, 0.00), (9, 0.1230000), (10, null);

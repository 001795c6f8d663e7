--! shows `real` and `double precision`: extremes, `NaN`, infinities, negative zero.

create table t (id integer primary key, f4 real, f8 double precision);

--! changes

insert into t values (1, 1.5, 2.25);
insert into t values (2, '-Infinity', 'NaN'), (3, 'Infinity', '-Infinity'), (4, 'NaN', 'Infinity');
insert into t values (5, 1e-45, 5e-324), (6, 3.4028235e38, 1.7976931348623157e308);
insert into t values (7, 0.1, 0.1), (8, 123456789, 1e15), (9, 1e10, 1e16), (10, '-0', '-0');
insert into t values (11, null, null);

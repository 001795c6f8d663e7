--! shows Booleans, integers, floating point with its special values, and OIDs.

create table t (id integer primary key, b boolean, i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision, o oid);
create table required (
    id smallint primary key, b boolean not null, i2 smallint not null default -7, i4 integer not null, i8 bigint not null,
    f4 real not null, f8 double precision not null default 0.1, o oid not null);

--! changes

insert into t values (1, true, -32768, -2147483648, -9223372036854775808, 1.5, -2.25, 0);
insert into t values (2, false, 32767, 2147483647, 9223372036854775807, 1e-45, 5e-324, 4294967295);
insert into t values (3, null, null, null, null, 'NaN', 'Infinity', null);
insert into t values (4, null, null, null, null, '-Infinity', 'NaN', null);
insert into t values (5, null, null, null, null, '0.1', '1e300', null);
insert into required values (1, true, 1, 2, 3, 4, 5, 6);
delete from required;

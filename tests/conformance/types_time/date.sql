--! shows `date`: before 1970, before 1582, BC, the latest date, infinity.

create table t (id integer primary key, d date);

--! changes

insert into t values (1, '2024-02-29'), (2, '0001-01-01'), (3, '5874897-12-31'), (4, '0044-03-15 BC'), (5, '4713-01-01 BC');
insert into t values (6, 'infinity'), (7, '-infinity'), (8, '1582-10-14'), (9, '10000-01-01'), (10, '1969-12-31'), (11, null);

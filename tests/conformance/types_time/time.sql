--! shows `time` in every precision, midnight, 24:00.

create table t (id integer primary key, t time, t0 time(0), t3 time(3), t5 time(5), t6 time(6));

--! changes

insert into t values (1, '12:34:56.789012', '12:34:56', '12:34:56.789', '12:34:56.78901', '12:34:56.789012');
insert into t values (2, '00:00', '00:00', '00:00', '00:00', '00:00');
insert into t values (3, '24:00', '24:00', '24:00', '24:00', '24:00');
insert into t values (4, '23:59:59.999999', '23:59:59', '23:59:59.999', '23:59:59.99999', null);

--! shows Values that are not finite become null where the column can be null.
--! walcast types.unwritable = "null"

create table t (id integer primary key, n_10_2 numeric(10, 2), n_free numeric, other text);

--! changes

insert into t values (1, 'NaN', 'NaN', 'a');
insert into t values (2, null, 'Infinity', 'b');
insert into t values (3, 1, '-Infinity', 'c');
insert into t values (4, 1, 1, 'd');

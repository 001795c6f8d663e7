--! shows `json` with its white space, `jsonb` as Postgres prints it.

create table t (id integer primary key, js json, jb jsonb);

--! changes

insert into t values (1, '{"a":   1, "a": 2}', '{"b": [1, 2], "a": null}');
insert into t values (2, '[]', '"x"'), (3, 'null', 'null'), (4, null, null);
insert into t values (5, '{"k": "\u00e4\"\\"}', '{"n": 1e3}');

--! shows One row of each of many types.
--! alone
--! debezium snapshot.mode = initial
--! walcast snapshot.mode = "initial"

create type mood as enum ('glad', 'sad');
create table kinds (
    id integer primary key, a smallint, b bigint, c numeric(20, 5), d numeric, e real, f double precision, g boolean,
    h text, i varchar(9), j char(5), k bytea, l uuid, m json, n jsonb, o date, p time, q timetz, r timestamp,
    s timestamptz, t interval, u money, v mood, x integer[], y text[], z inet
);
insert into kinds values (1, 1, 2, 1.5, 12345678901234567890.123, 0.1, 1e-300, true, E'line\n\ttab \\ \\N', 'v', 'c', '\x00ff5c',
    '6f1c7a86-5f5c-4a39-9d1c-0d4a6a7a2d11', '{"a": [1, null]}', '{"b": "x"}', '2024-02-29', '23:59:59.123456', '12:34:56.789+02',
    '2024-02-29 12:34:56.123456', '2024-07-01 12:00:00+00', '1 year 2 days 03:04:05.6', 12.34, 'sad', '{1,NULL,3}',
    array['a', null, 'q"\,{}'], '10.0.0.1/8');
insert into kinds (id) values (2);

--! changes

insert into kinds (id) values (3);

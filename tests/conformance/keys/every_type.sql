--! shows A key of thirteen columns of different types; parts of it change.

create type public.key_mood as enum ('sad', 'ok', 'happy');
create table t (
    txt text, u uuid, n numeric(10, 2), nf numeric, ts timestamp, ts3 timestamp(3), tz timestamptz, d date, t time, b boolean, bin bytea, m key_mood,
    i8 bigint, js_not_key json, primary key (txt, u, n, nf, ts, ts3, tz, d, t, b, bin, m, i8)
);

--! changes

insert into t values ('q"\\z é', '6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11', 1.50, 2.50, '2024-02-29 01:02:03.000004', '2024-02-29 01:02:03.004', '2024-02-29 01:02:03.000004+02', '2024-02-29', '01:02:03.000004', true, '\x00ff41', 'ok', 9000000000, '1');
update t set b = false, n = -0.01, ts = '1969-12-31 23:59:59';
update t set js_not_key = '2';
update t set nf = 100, bin = '';
delete from t;

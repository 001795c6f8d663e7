insert into t_types (b, i2, i4, i8, f4, f8, n_10_2, n_38_0, n_60_20, n_free, txt, vc, vcfree, c10, bin, u, js, jb, d, t, t0, t3, t5, ts, ts0, ts3, ts5, tz, tz0, tz3, m, o, dom, domn, domdom, doml) values (true, 12, 34, 56, 1.5, 2.25, 123.45, 12345678901234567890, 1.5, 1.500, 'text ä€𝄞', 'vc', 'free', 'char', '\x00ff10', '6F1C2F8E-0C1D-4D3B-9F51-6A2F5A3B0C11', '{"a": 1}', '{"b": [1, 2]}', '2024-02-29', '12:34:56.789012', '12:34:56', '12:34:56.789', '12:34:56.78901', '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56', '2024-02-29 12:34:56.789', '2024-02-29 12:34:56.78901', '2024-02-29 12:34:56.789012+05:30', '2024-02-29 12:34:56+00', '2024-02-29 12:34:56.789-08', 'happy', 4000000000, 5, 7.25, 8.5, 'label');
insert into t_types default values;
insert into t_types (b, i2, i4, i8, f4, f8, n_10_2, n_38_0, n_60_20, n_free, d, t, t0, t3, ts, ts0, ts3, tz, tz0) values (false, -32768, -2147483648, -9223372036854775808, '-Infinity', 'NaN', -99999999.99, -99999999999999999999999999999999999999, -1234567890123456789012345678901234567890.12345678901234567890, -0.000001, '0001-01-01', '00:00', '00:00', '00:00', '0001-01-01 00:00:00', '1900-01-01 00:00:00', '1969-12-31 23:59:59.999', '1969-12-31 23:59:59.999999+00', '1900-01-01 00:00:00+00');
insert into t_types (i2, i4, i8, f4, f8, n_10_2, n_38_0, n_60_20, n_free, d, t, t0, t3, ts, ts0, ts3, tz, tz0) values (32767, 2147483647, 9223372036854775807, 'Infinity', '-Infinity', 0, 0, 0, 0, '5874897-12-31', '24:00', '24:00', '24:00', '294246-12-31 23:59:59.999999', '294276-12-31 23:59:59', '294276-12-31 23:59:59', '294276-12-31 23:59:59.999999+00', '10000-01-01 00:00:00+00');
insert into t_types (f4, f8, n_10_2, n_38_0, n_60_20, n_free, d, t, t3, ts, ts3, tz) values (1e-45, 5e-324, -0.01, 127, -0.5, 12345678901234567890123456789012345678901234567890.1234567890, '0044-03-15 BC', '23:59:59.999999', '23:59:59.999', '0044-03-15 12:00:00 BC', '0044-03-15 12:00:00 BC', '0044-03-15 12:00:00+00 BC');
insert into t_types (f4, f8, n_10_2, n_38_0, n_free, d, ts, ts3, tz) values (3.4028235e38, 1.7976931348623157e308, 1.28, -128, 1e20, 'infinity', 'infinity', 'infinity', 'infinity');
insert into t_types (f4, f8, n_10_2, n_38_0, n_free, d, ts, ts3, tz) values ('NaN', 'Infinity', -1.28, 128, 1200.00, '-infinity', '-infinity', '-infinity', '-infinity');
insert into t_types (f4, f8, n_free, d, ts, tz, tz3, ts0) values (0.1, 0.1, -100, '4713-01-01 BC', '4713-01-01 00:00:00 BC', '4713-01-01 00:00:00+00 BC', '2024-01-01 00:00:00.100+00', '0001-12-31 BC');
insert into t_types (f4, f8, n_free, d, ts, tz, bin, txt, c10, js, jb) values (123456789, 1e15, 0.00, '1582-10-14', '1582-10-14 00:00:00', '1582-10-14 00:00:00+00', '', '', '', '[]', '"x"');
insert into t_types (f4, f8, n_free, d, ts, tz, tz3) values (1e10, 1e16, 0.1230000, '10000-01-01', '10000-01-01 00:00:00', '9999-12-31 23:59:59.999999+00', '2024-06-30 12:00:00.12+00');
update t_types set i4 = 35, txt = 'changed' where id = 1;
update t_types set id = 1001 where id = 2;
delete from t_types where id = 1;

insert into t_required (b, i2, i4, i8, f4, f8, n_10_2, n_free, txt, vc, c10, bin, u, js, jb, d, t, t3, ts, ts3, tz, m, o, dom, ai, atxt) values (true, 1, 2, 3, 4.5, 5.5, 6.66, 7.7, 'a', 'b', 'c', '\x01', '6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11', '1', '2', '2000-01-01', '01:02:03', '01:02:03', '2000-01-01 01:02:03', '2000-01-01 01:02:03', '2000-01-01 01:02:03+00', 'ok', 1, 2, '{1}', '{a}');
update t_required set i4 = 3;
update t_required set id = 77;
delete from t_required;

insert into t_default_required default values;
update t_default_required set i4 = 43;
update t_default_required set id = 78;
delete from t_default_required;

insert into t_default_nullable default values;
insert into t_default_nullable (b, i2, i4, i8, f4, f8, n_10_2, n_free, txt, vc, c10, bin, u, js, jb, d, d_fn, t, ts, ts_fn, ts_const, tz, tz_lit, m, o, dom, ai, txt_fn) values (null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
update t_default_nullable set id = 79 where id = 1;
delete from t_default_nullable where id = 2;

insert into t_arrays values (1, '{t,f,NULL}', '{1,-2,NULL}', '{1,-2}', '{1,9000000000}', '{1.5,NaN,Infinity}', '{2.25,-Infinity}', '{1.5,-0.01,NULL}', '{1.5,100,0.0010}', '{"a,b","c\"d","e\\f",NULL,"NULL","",é, plain }', '{x,"{y}"}', '{a,bcd}', '{"\\x00ff","\\x"}', '{6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11,NULL}', array['{"a": "b"}'::json, 'null'::json], array['{"a": ["b"]}'::jsonb, '1'::jsonb], '{2024-02-29,NULL,1969-12-31}', '{12:34:56,00:00:00}', '{12:34:56.789}', '{"2024-02-29 12:34:56.789012"}', '{"2024-02-29 12:34:56.789"}', '{"2024-02-29 12:34:56.789012+02",NULL}', '{"2024-02-29 12:34:56.700+02"}', '{sad,happy}', '{1,4000000000}');
insert into t_arrays (id) values (2);
insert into t_arrays values (3, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
insert into t_arrays (id, i4, txt) values (4, '[5:7]={1,2,3}', '[0:1]={a,b}');
update t_arrays set i4 = '{9}' where id = 1;


insert into t_composite values (1, 'b', 'c');
update t_composite set b = null where a = 1;
update t_composite set a = 2 where a = 1;
update t_composite set a = 3, c = 'd' where a = 2;
delete from t_composite where a = 3;

insert into t_composite_full values (1, 'b', 'c');
update t_composite_full set b = 'bb' where a = 1;
update t_composite_full set a = 2 where a = 1;
delete from t_composite_full where a = 2;

insert into t_index values (1, 'b', 2, 'd');
update t_index set d = 'dd' where a = 1;
update t_index set c = 3 where a = 1;
delete from t_index where a = 1;

insert into x_index_pk values (1, 2, 'c', 'd');
update x_index_pk set d = 'dd' where a = 1;
update x_index_pk set b = 3 where a = 1;
update x_index_pk set a = 2 where a = 1;
update x_index_pk set a = 3, b = 4 where a = 2;
delete from x_index_pk where a = 3;

insert into t_unique values (1, 'b', 'c');
insert into t_no_key values (1, 'b');
insert into t_no_key_full values (1, 'b'), (null, 'c');
update t_no_key_full set a = 2 where a = 1;
update t_no_key_full set a = 3 where a is null;
delete from t_no_key_full where a = 2;

insert into t_toast select 1, 0, r, r, r::bytea, json_build_object('k', r), jsonb_build_object('k', r), repeat('9', 998)::numeric, r, r, array[r], (select array_agg(i) from generate_series(1, 1000) i), (select array_agg(i::bigint) from generate_series(1, 1000) i), array[r::bytea], (select array_agg(lpad(to_hex(i), 32, '0')::uuid) from generate_series(1, 200) i), (select array_agg(date '2000-01-01' + i) from generate_series(1, 1000) i), array[jsonb_build_object('k', r)], r from (select string_agg(md5(i::text), '') r from generate_series(1, 100) i);
update t_toast set n = 1;
update t_toast set id = 2;
delete from t_toast;

insert into t_toast_full select 1, 0, r, r::bytea from (select string_agg(md5(i::text), '') r from generate_series(1, 100) i);
update t_toast_full set n = 1;
update t_toast_full set id = 2;
delete from t_toast_full;

insert into "odd$schema"."T$x z" values (1, 'm', 'u');
update "odd$schema"."T$x z" set "MixedCase" = 'n';
update "odd$schema"."T$x z" set "Id" = 2;
delete from "odd$schema"."T$x z";

begin;
insert into t_composite values (10, 'x', 'x'), (11, 'y', 'y');
update t_composite set b = 'z' where a >= 10;
delete from t_composite where a = 11;
commit;

insert into t_keys values ('q"\\z é', '6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11', 1.50, 2.50, '2024-02-29 01:02:03.000004', '2024-02-29 01:02:03.004', '2024-02-29 01:02:03.000004+02', '2024-02-29', '01:02:03.000004', true, '\x00ff41', 'ok', 9000000000, '1');
update t_keys set b = false, n = -0.01, ts = '1969-12-31 23:59:59';
update t_keys set js_not_key = '2';
update t_keys set nf = 100, bin = '';
delete from t_keys;
insert into t_default_more (id) values (1);
update t_default_more set id = 2;
delete from t_default_more;
insert into x_types values (1, 'name', 12345, default, '294276-12-31 23:59:59.999999');
delete from x_types;
insert into x_arrays (id, m) values (1, '{sad,NULL}');
insert into x_arrays (id, d, ts, tz) values (2, '{infinity,-infinity,0044-03-15 BC}', '{infinity,-infinity,"0044-03-15 12:00:00 BC"}', '{infinity,-infinity,"0044-03-15 12:00:00+00 BC"}');
insert into x_arrays (id, i4, txt) values (3, '{{1,2},{3,4}}', '{{a,b},{c,NULL}}');
insert into x_arrays (id, nm, dom, t) values (4, '{a,"b c",NULL}', '{1,2}', '{12:34:56.789012}');
insert into x_toast select 1, 0, ('1' || repeat('23', 5000))::numeric, (select array_agg(i::float8) from generate_series(1, 1000) i), (select array_agg(timestamp '2000-01-01' + make_interval(days => i)) from generate_series(1, 500) i), (select array_agg(timestamptz '2000-01-01 00:00:00+00' + make_interval(days => i)) from generate_series(1, 500) i), (select array_agg(time '00:00' + make_interval(secs => i)) from generate_series(1, 500) i), (select array_agg(i % 2 = 0) from generate_series(1, 3000) i), (select array_agg(i::numeric) from generate_series(1, 1000) i), (select array_agg('ok'::mood) from generate_series(1, 1000));
update x_toast set n = 1;
insert into x_default (id) values (1);
insert into "x_é" values (1);
insert into x_nan values (1, 'NaN', 'NaN');
insert into x_nan values (2, null, 'Infinity'), (3, null, '-Infinity');
insert into t_types (id, txt) values (9999, 'end');

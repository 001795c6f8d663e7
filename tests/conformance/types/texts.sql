--! shows Types that are sent as text: characters, identifiers, documents, addresses, ranges.

create table t (
    id integer primary key, txt text, vc varchar(20), c5 char(5), c "char", u uuid, x xml, js json, jb jsonb, ts tsvector,
    i inet, ci cidr, m macaddr, m8 macaddr8, r4 int4range, r8 int8range, rn numrange, rt tsrange, rz tstzrange, rd daterange);
create table required (
    id integer primary key, c5 char(5) not null, u uuid not null, x xml not null, js json not null, ts tsvector not null, i inet not null,
    m macaddr not null, r4 int4range not null);
create table defaults (
    id integer primary key, c5 char(5) not null default 'ab', x xml not null default '<a/>', js json default '{"a": 1}', jb jsonb default jsonb_build_object(),
    u uuid not null default gen_random_uuid(), i inet default '::1', r4 int4range default '[1,2)');

--! changes

insert into t values (1, 'ä€𝄞', 'v', 'c', 'x', '6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11', '<a b="c">d</a>', '{"a" : 1}', '{"b": [1, 2]}', 'a fat cat',
    '192.168.0.1/24', '192.168.100.128/25', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '[1,10)', '(1,10]', '[1.5,2.5]',
    '[2024-02-29 12:00,2024-03-01)', '[2024-02-29 12:00+00,)', '[2024-02-29,2024-03-01)');
insert into t values (2, '', '', '', '', null, null, 'null', 'null', 'x:1A,2B y', '::1', '2001:db8::/32', null, null, 'empty', '(,)', '(,)', '(,infinity)', 'empty', '(,2024-03-01)');
insert into t values (3);
insert into required values (1, 'c', '6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11', '<a/>', '{}', 'a', '::1', '08:00:2b:01:02:03', '[1,2)');
delete from required;
insert into defaults (id, u) values (1, '6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11');
insert into defaults (id, u, x) values (2, '6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11', '<b/>');

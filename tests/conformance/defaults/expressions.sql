--! shows Defaults that are functions, casts or keywords; rounded numbers; fractional seconds.

create table t (
    id integer primary key, a timestamp default timezone('utc'::text, now()), b date default ('now'::text)::date, c timestamp not null default 'epoch',
    e timestamptz not null default current_timestamp(3), f timestamp default localtimestamp, g text default current_user,
    h numeric(10, 2) not null default -5, i integer default -5, k varchar(5) default null,
    m bigint not null default (10)::bigint, n text default concat('a', 'b'), o time default localtime,
    r numeric(10, 2) default 1.239, s real not null default 0.1,
    u time(3) not null default current_time, v integer not null default length('abc'), w char(3) not null default '  x', x uuid default '6F1C2F8E-0C1D-4D3B-9F51-6A2F5A3B0C11',
    y timestamptz(3) not null default now(), z timestamptz(0) not null default '2020-01-01 00:00:00+00'
);

--! changes

insert into t (id) values (1);
update t set id = 2;
delete from t;

--! shows Dates and times in nanoseconds.
--! debezium time.precision.mode = nanoseconds
--! walcast types.time = "nanoseconds"
--! with 3.6 fails Debezium ends at a delete in a table with a timestamp that is NOT NULL; walcast writes it.
--! with 3.6 says null used for required field: "ts"

create table t (
    id integer primary key, d date, t time, t0 time(0), t3 time(3), t5 time(5),
    ts timestamp, ts0 timestamp(0), ts3 timestamp(3), ts5 timestamp(5));
create table required (
    id integer primary key, d date not null, t time not null, t3 time(3) not null, ts timestamp not null, ts3 timestamp(3) not null);
create table defaults (
    id integer primary key, d date not null default '2024-02-29', d_function date default current_date, t time not null default '12:34:56.789',
    t3 time(3) default '01:02:03.004', ts timestamp not null default '2024-02-29 01:02:03.456789', ts_function timestamp default now(),
    ts3 timestamp(3) default '2024-02-29 01:02:03.456');

--! changes

insert into t values (1, '2024-02-29', '12:34:56.789012', '12:34:56', '12:34:56.789', '12:34:56.78901',
    '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56', '2024-02-29 12:34:56.789', '2024-02-29 12:34:56.78901');
insert into t values (2, '1969-12-31', '00:00:00', '00:00:00', '00:00:00', '00:00:00',
    '1969-12-31 23:59:59.999999', '1969-12-31 23:59:59', '1969-12-31 23:59:59.999', '1969-12-31 23:59:59.99999');
insert into t values (3, '1582-10-04', '23:59:59.999999', '23:59:59', '23:59:59.999', '23:59:59.99999',
    '1700-01-01 00:00:00', '1883-11-18 12:03:58', '1900-02-28 01:02:03.1', '2024-02-29 12:34:56.7');
insert into t values (4);
insert into required values (1, '2024-02-29', '12:34:56', '12:34:56', '2024-02-29 12:34:56', '2024-02-29 12:34:56');
delete from required;
insert into defaults (id, d_function, ts_function) values (1, '2000-01-01', '2000-01-01');

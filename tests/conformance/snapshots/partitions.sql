--! shows Rows of partitions with topics of their own.
--! differs Debezium reads the partitioned table as well as its partitions: each of these rows comes twice, in two topics.
--! at days
--! alone
--! debezium snapshot.mode = initial
--! walcast snapshot.mode = "initial"

create table days (id integer, day integer, primary key (id, day)) partition by range (day);
create table days_1 partition of days for values from (0) to (10);
create table days_2 partition of days for values from (10) to (20);
insert into days values (1, 1), (2, 11), (3, 2);

--! changes

insert into days values (4, 12);

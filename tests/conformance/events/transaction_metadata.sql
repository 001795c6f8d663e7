--! shows Transaction boundaries, and the position of each event in its transaction: a changed key counts twice, a tombstone does not count.
--! debezium provide.transaction.metadata = true
--! walcast events.transactions = true
--! alone

create table a (id integer primary key, note text);
create table b (id integer primary key, note text);

--! changes

insert into a values (1, 'one');
begin;
insert into a values (2, 'two'), (3, 'three');
insert into b values (1, 'one');
update a set id = 4 where id = 3;
delete from a where id = 2;
commit;
begin;
insert into b values (9, 'never');
rollback;
begin;
insert into b values (2, 'two');
savepoint s;
insert into b values (3, 'never');
rollback to s;
insert into a values (5, 'five');
commit;

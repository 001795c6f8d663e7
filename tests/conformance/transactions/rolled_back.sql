--! shows Changes that were rolled back, completely or to a savepoint, produce no record.

create table t (id integer primary key, note text);

--! changes

begin;
insert into t values (1, 'gone');
rollback;
begin;
insert into t values (2, 'stays');
savepoint s;
insert into t values (3, 'gone');
update t set note = 'gone';
rollback to s;
insert into t values (4, 'stays');
savepoint inner_one;
insert into t values (5, 'stays');
release inner_one;
commit;

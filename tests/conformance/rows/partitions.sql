--! shows A partitioned table, published by its leaves; a row moves from one partition to another.

create table t (id integer, at date, note text, primary key (id, at)) partition by range (at);
create table t_old partition of t for values from ('2000-01-01') to ('2020-01-01');
create table t_new (note text, id integer not null, at date not null, primary key (id, at));
alter table t attach partition t_new for values from ('2020-01-01') to ('2030-01-01');

--! changes

insert into t values (1, '2010-01-01', 'old'), (2, '2025-01-01', 'new');
update t set at = '2026-01-01' where id = 1;
delete from t where id = 2;

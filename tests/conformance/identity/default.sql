--! shows Replica identity DEFAULT: an update has no `before`, a delete has the key and nothing else.

create table t (id integer primary key, required text not null, note text, n integer not null default 7);

--! changes

insert into t values (1, 'r', 'note', 8);
update t set note = 'other';
update t set id = 2;
delete from t;

--! shows Labels of an enum, not in alphabetical order.

create type mood as enum ('sad', 'ok', 'happy');
create table t (id integer primary key, m mood, required mood not null);

--! changes

insert into t values (1, 'happy', 'ok'), (2, null, 'sad');
update t set m = 'sad' where id = 1;
delete from t where id = 1;

--! shows Two concurrent transactions are delivered completely, in commit order.

create table t (id integer primary key, note text);

--! changes

begin;
insert into t values (1, 'first begun');
--! session two
begin;
insert into t values (2, 'second begun');
--! session main
insert into t values (3, 'first begun');
--! session two
insert into t values (4, 'second begun');
commit;
--! session three
insert into t values (5, 'between');
--! session main
insert into t values (6, 'first begun');
commit;

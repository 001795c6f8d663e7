--! shows The event counts of a transaction over many tables, in the order of Java's map.
--! debezium provide.transaction.metadata = true
--! walcast events.transactions = true
--! alone

create table alpha (id integer primary key);
create table beta (id integer primary key);
create table gamma (id integer primary key);
create table delta (id integer primary key);
create table epsilon (id integer primary key);
create table zeta (id integer primary key);
create table eta (id integer primary key);
create table theta (id integer primary key);
create table iota (id integer primary key);
create table kappa (id integer primary key);
create table lambda (id integer primary key);
create table mu (id integer primary key);
create table nu (id integer primary key);
create table xi (id integer primary key);

--! changes

begin;
insert into zeta values (1);
insert into alpha values (1);
insert into gamma values (1);
insert into beta values (1), (2);
insert into alpha values (2);
commit;
begin;
insert into alpha values (11);
insert into beta values (11);
insert into gamma values (11);
insert into delta values (11);
insert into epsilon values (11);
insert into zeta values (11);
insert into eta values (11);
insert into theta values (11);
insert into iota values (11);
insert into kappa values (11);
insert into lambda values (11);
insert into mu values (11);
insert into nu values (11);
insert into xi values (11);
commit;

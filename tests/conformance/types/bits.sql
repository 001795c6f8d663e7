--! shows Bit strings: one bit is a boolean, more are bytes, the last bit first.

create table t (
    id integer primary key, b bit, b2 bit(2), b8 bit(8), b9 bit(9), b40 bit(40), v varbit, v1 varbit(1), v5 varbit(5), v33 varbit(33));
create table required (id integer primary key, b bit not null, b9 bit(9) not null, v varbit not null);
create table defaults (
    id integer primary key, b bit not null default B'1', b2 bit(2) not null default B'10', b9 bit(9) default B'100000001',
    v varbit not null default B'110', v5 varbit(5) default B'00101');

--! changes

insert into t values (1, B'1', B'10', B'10000000', B'100000001', B'1000000000000000000000000000000000000001', B'0001', B'1', B'101', B'101');
insert into t values (2, B'0', B'00', B'00000000', B'011111111', B'0000000000000000000000000000000000000000', B'', B'0', B'', B'000000000000000000000000000000001');
insert into t values (3);
insert into required values (1, B'1', B'000000001', B'1');
delete from required;
insert into defaults (id) values (1);
insert into defaults values (2, B'0', B'01', null, B'1', null);

--! shows Points.

create table t (id integer primary key, p point);
create table required (id integer primary key, p point not null);

--! changes

insert into t values (1, '(1,2)');
insert into t values (2, '(-1.5,1e300)');
insert into t values (3, '(0.1,Infinity)');
insert into t values (4, null);
insert into required values (1, '(3,4)');
delete from required;

--! shows Arrays with a lower bound other than 1: the bounds are lost.

create table t (id integer primary key, i4 integer[], txt text[]);

--! changes

insert into t values (4, '[5:7]={1,2,3}', '[0:1]={a,b}');

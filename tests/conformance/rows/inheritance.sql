--! shows A table that inherits from another, each with its own topic.

create table parent (id integer primary key, note text);
create table child (extra text, primary key (id)) inherits (parent);

--! changes

insert into parent values (1, 'p');
insert into child values (2, 'c', 'x');
update parent set note = 'both';
delete from parent;

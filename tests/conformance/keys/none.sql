--! shows Tables without any key.

create table whole (a integer, v text);
alter table whole replica identity full;

--! changes

insert into whole values (1, 'v'), (1, 'v');
update whole set v = 'w';
delete from whole;

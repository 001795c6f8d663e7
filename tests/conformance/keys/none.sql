--! shows Tables without any key.

create table whole (a integer, v text);
alter table whole replica identity full;
create table inserts_only (a integer, v text);

--! changes

insert into whole values (1, 'v'), (1, 'v');
update whole set v = 'w';
delete from whole;
insert into inserts_only values (1, 'v'), (null, null);

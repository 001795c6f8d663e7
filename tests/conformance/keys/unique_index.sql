--! shows Tables without primary key but with a unique index, in every replica identity that identifies deleted rows.

create table by_index (a integer not null, b text not null, v text);
create unique index by_index_b_a on by_index (b, a);
alter table by_index replica identity using index by_index_b_a;
create table whole (a integer not null, v text);
create unique index whole_a on whole (a);
alter table whole replica identity full;

--! changes

insert into by_index values (1, 'b', 'v');
update by_index set v = 'w';
update by_index set a = 2;
delete from by_index;
insert into whole values (1, 'v');
update whole set v = 'w';
update whole set a = 2;
delete from whole;

--! shows Updates that change nothing produce no event if the whole old row is known.
--! debezium skip.messages.without.change = true
--! walcast events.skip_unchanged = true

create table whole (id integer primary key, note text, n numeric(5, 2));
alter table whole replica identity full;
create table key_only (id integer primary key, note text);

--! changes

insert into whole values (1, 'one', 1.5), (2, null, null), (3, repeat('x', 10000), 1);
update whole set note = note;
update whole set note = 'changed' where id = 1;
update whole set n = 1.50 where id = 1;
update whole set id = 4 where id = 2;
update whole set n = 2 where id = 3;
insert into key_only values (1, 'one');
update key_only set note = note;

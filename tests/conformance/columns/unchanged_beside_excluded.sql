--! shows Updates that change only omitted columns produce no event if the whole old row is known.
--! debezium skip.messages.without.change = true
--! debezium column.exclude.list = public.hidden.secret
--! debezium column.mask.with.5.chars = public.hidden.masked
--! walcast events.skip_unchanged = true
--! walcast columns.exclude = ["public.hidden.secret"]
--! walcast columns.mask = [{ columns = ["public.hidden.masked"], length = 5 }]

create table hidden (id integer primary key, note text, secret text, masked text);
alter table hidden replica identity full;

--! changes

insert into hidden values (1, 'one', 's', 'm');
update hidden set secret = 't' where id = 1;
update hidden set masked = 'n' where id = 1;
update hidden set note = 'two' where id = 1;
update hidden set id = 2 where id = 1;
delete from hidden;

--! shows Unchanged TOAST values: placeholders, and the value itself if the old row contains it.

create table by_default (id integer primary key, big text, bytes bytea, doc jsonb, list text[], small text);
alter table by_default alter big set storage external, alter bytes set storage external, alter doc set storage external,
    alter list set storage external;
create table by_full (id integer primary key, big text, bytes bytea, doc jsonb, list text[], small text);
alter table by_full alter big set storage external, alter bytes set storage external, alter doc set storage external,
    alter list set storage external;
alter table by_full replica identity full;

--! changes

insert into by_default select 1, repeat('x', 3000), decode(repeat('01', 3000), 'hex'),
    jsonb_build_object('a', repeat('y', 3000)), array[repeat('z', 3000)], 's';
update by_default set small = 't';
update by_default set big = 'short';
insert into by_full select * from by_default;
update by_full set small = 'u';
delete from by_full;

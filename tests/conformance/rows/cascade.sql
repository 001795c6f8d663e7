--! shows Rows that a foreign key deletes and a trigger writes.

create table parent (id integer primary key);
create table child (id integer primary key, parent integer references parent on delete cascade);
create table log (n integer generated always as identity primary key, what text);
create function note() returns trigger language plpgsql as $$ begin
    insert into {schema}.log (what) values (tg_op || ' ' || old.id);
    return old;
end $$;
create trigger note after delete on child for each row execute function note();

--! changes

insert into parent values (1), (2);
insert into child values (10, 1), (11, 1), (12, 2);
delete from parent where id = 1;

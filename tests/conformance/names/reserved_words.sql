--! shows Columns with the names of envelope fields and of SQL keywords.

create table "order" (id integer primary key, before text, after text, source text, op text, ts_ms bigint, "select" text, "default" text, "type" text, "null" text);

--! changes

insert into "order" values (1, 'b', 'a', 's', 'o', 1, 'x', 'y', 'z', 'n');
update "order" set after = 'aa';
delete from "order";

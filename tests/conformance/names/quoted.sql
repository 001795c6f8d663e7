--! shows Quoted identifiers: capital letters, SQL keywords.

create table "Order" ("Select" integer primary key, "From" text, "UPPER" text);
alter table "Order" replica identity full;

--! changes

insert into "Order" values (1, 'f', 'u');
update "Order" set "From" = 'g';
delete from "Order";

--! shows Column names that Avro rejects, without any setting.

create table "Order Lines" ("order-id" integer, "2nd" integer, "Unit Price" numeric(6,2) not null default 1.50, "per cent%" text, plain text,
    primary key ("order-id", "2nd"));
alter table "Order Lines" replica identity full;

--! changes

insert into "Order Lines" values (1, 2, 3.25, 'xl', 'p');
update "Order Lines" set "per cent%" = 's', "2nd" = 3;
alter table "Order Lines" add column "First Name" text;
insert into "Order Lines" values (4, 5, 1, null, null, 'f');
delete from "Order Lines";

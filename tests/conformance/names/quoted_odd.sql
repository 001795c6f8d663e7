--! shows Names with capitals, a space, a dollar sign, a leading underscore, in a schema with a dollar sign.

create schema "{schema}$odd";
create table "{schema}$odd"."T$x z" ("Id" integer primary key, "MixedCase" text, _under text);

--! changes

insert into "{schema}$odd"."T$x z" values (1, 'm', 'u');
update "{schema}$odd"."T$x z" set "MixedCase" = 'n';
update "{schema}$odd"."T$x z" set "Id" = 2;
delete from "{schema}$odd"."T$x z";

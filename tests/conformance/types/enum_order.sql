--! shows An enum whose labels were not added in their sort order.
--! differs Debezium 3.3.1 lists labels in catalog order; walcast lists them in sort order, as later versions of Debezium do.
--! at t.value schema.1.fields.before.type.1.fields.e.type.1.connect.parameters.allowed
--! with 3.6 equal

create type public.extent as enum ('small', 'large');
alter type public.extent add value 'middling' before 'large';
create table t (id integer primary key, e public.extent);

--! changes

insert into t values (1, 'small');
insert into t values (2, 'middling');

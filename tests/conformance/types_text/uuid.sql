--! shows `uuid`, written in upper case and in braces.

create table t (id integer primary key, u uuid);

--! changes

insert into t values (1, '6F1C2F8E-0C1D-4D3B-9F51-6A2F5A3B0C11'), (2, '{6f1c2f8e0c1d4d3b9f516a2f5a3b0c12}'), (3, null);

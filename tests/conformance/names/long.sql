--! shows Names of 63 bytes.

create table abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz_123456789 (
    id integer primary key,
    column_abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz_12 text
);

--! changes

insert into abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz_123456789 values (1, 'note');

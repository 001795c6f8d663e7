--! shows A table name with a letter beyond ASCII.
--! alone
--! differs Debezium reads the name byte by byte: another topic, no key, everything nullable; walcast writes `_` in the topic and the correct name in `source`.
--! at t_*
--! with 3.6 equal

create table "t_é" (id integer primary key, note text);

--! changes

insert into "t_é" values (1, 'note');

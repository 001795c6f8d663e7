--! shows Three columns that differ only by case.
--! fails Debezium takes them for one column and ends with the first row; walcast writes all three.
--! says IndexOutOfBoundsException

create table t (id integer primary key, note text, "Note" text, "NOTE" text);

--! changes

insert into t values (1, 'a', 'b', 'c');

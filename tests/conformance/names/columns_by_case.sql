--! shows Three columns that differ only by case.
--! fails Debezium treats them as one column and ends at the first row; walcast writes all three.
--! says IndexOutOfBoundsException

create table t (id integer primary key, note text, "Note" text, "NOTE" text);

--! changes

insert into t values (1, 'a', 'b', 'c');

--! shows Three columns that differ only by case.
--! fails Debezium treats them as one column and ends at the first row; walcast writes all three.
--! says IndexOutOfBoundsException
--! with 3.6 fails Debezium rejects such a table at its first row; walcast writes all three.
--! with 3.6 says columns that differ only by case

create table t (id integer primary key, note text, "Note" text, "NOTE" text);

--! changes

insert into t values (1, 'a', 'b', 'c');

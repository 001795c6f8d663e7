--! shows Geometric types as the bytes of their text, by setting.
--! debezium include.unknown.datatypes = true
--! walcast types.unknown = "bytes"
--! differs Debezium sends them as its JDBC driver prints them, `(1.0,1.0)`; walcast as the server prints them, `(1,1)`.
--! at t#0.value.after.*

create table t (id integer primary key, b box, l lseg, pa path, po polygon, ci circle, li line);

--! changes

insert into t values (1, '(1,1),(0,0)', '[(0,0),(1,1)]', '((0,0),(1,1))', '((0,0),(1,1),(1,0))', '<(0,0),1>', '{1,2,3}');
insert into t (id) values (2);

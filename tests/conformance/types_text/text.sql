--! shows `text`, `varchar`, `char`: padding, the empty text, characters of four bytes, control characters.

create table t (id integer primary key, txt text, vc varchar(20), vcfree varchar, c10 char(10));

--! changes

insert into t values (1, 'text ä€𝄞', 'vc', 'free', 'char');
insert into t values (2, '', '', '', '');
insert into t values (3, null, null, null, null);
insert into t values (4, E'tab\t line\n quote" back\\ bell\x07', E'\r\n', ' spaces ', '  both  ');

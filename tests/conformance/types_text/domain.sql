--! shows A domain over `varchar`, and one over `text`.

create domain label as varchar(30);
create domain label_long as text;
create table t (id integer primary key, l label, ll label_long);

--! changes

insert into t values (1, 'label', 'long');
insert into t values (2, null, '');

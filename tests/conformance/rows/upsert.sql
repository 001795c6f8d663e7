--! shows `INSERT ... ON CONFLICT` and `MERGE` are written as the operations that they perform.

create table t (id integer primary key, note text);

--! changes

insert into t values (1, 'a');
insert into t values (1, 'b'), (2, 'c') on conflict (id) do update set note = excluded.note;
insert into t values (1, 'd') on conflict do nothing;
merge into t using (values (1, null), (2, 'e'), (3, 'f')) as s (id, note) on t.id = s.id when matched and s.note is null then delete when matched then update set note = s.note when not matched then insert values (s.id, s.note);

--! shows Defaults with a quote, a line break, `infinity`, and `(NOT true)`.
--! differs Debezium truncates at the quote, lets infinity overflow, has no default for the line break and false for any expression; walcast has the value that a row would have.
--! at t.value schema.1.fields.before.type.1.fields.*

create table t (
    id integer primary key, txt text not null default 'it''s', ts timestamp not null default 'infinity', j text not null default E'a\\b\nc', l boolean not null default (not true),
    p date not null default 'infinity', q timestamptz not null default 'infinity'
);

--! changes

insert into t (id) values (1);

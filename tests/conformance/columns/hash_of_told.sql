--! shows A column that is chosen for a hash and for telling its type.
--! debezium column.mask.hash.v2.SHA-256.with.salt.pepper = .*\.email
--! debezium column.propagate.source.type = .*\.email
--! walcast columns.hash = [{ columns = ["*.*.email"], algorithm = "sha256", salt = "pepper" }]
--! walcast columns.propagate_types = ["*.*.email"]
--! differs Debezium tells the type and sends the text as it is; a value that is to be hidden is hidden.
--! at t#0.value.after.email
--! at t.value schema.1.*

create table t (id integer primary key, email text);

--! changes

insert into t values (1, 'ann@example.org');

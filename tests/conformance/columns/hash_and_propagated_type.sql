--! shows A column that is selected for a hash and for the propagation of its type.
--! debezium column.mask.hash.v2.SHA-256.with.salt.pepper = .*\.email
--! debezium column.propagate.source.type = .*\.email
--! walcast columns.hash = [{ columns = ["*.*.email"], algorithm = "sha256", salt = "pepper" }]
--! walcast columns.propagate_types = ["*.*.email"]
--! differs Debezium propagates the type and sends the text unchanged; walcast always hashes a value that is to be hidden.
--! at t#0.value.after.email
--! at t.value schema.1.*

create table t (id integer primary key, email text);

--! changes

insert into t values (1, 'ann@example.org');

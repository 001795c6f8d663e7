--! shows Rows in the flat shape, with the snapshot marker as a field.
--! alone
--! debezium snapshot.mode = initial
--! walcast snapshot.mode = "initial"
--! debezium transforms = unwrap
--! debezium transforms.unwrap.type = io.debezium.transforms.ExtractNewRecordState
--! debezium transforms.unwrap.add.fields = op,source.snapshot
--! walcast format.shape = "flat"
--! walcast format.flat.fields = ["op", "source.snapshot"]

create table items (id integer primary key, note text);
insert into items values (1, 'one'), (2, null), (3, 'three');

--! changes

insert into items values (4, 'four');

--! shows The row with parts of the envelope as additional fields and as headers, one of them renamed.
--! debezium transforms = unwrap
--! debezium transforms.unwrap.type = io.debezium.transforms.ExtractNewRecordState
--! debezium transforms.unwrap.add.fields = op,table:relation,source.ts_us,lsn,sequence,xmin
--! debezium transforms.unwrap.add.headers = op,source.db,txId,xmin
--! walcast format.shape = "flat"
--! walcast format.flat.fields = ["op", "table:relation", "source.ts_us", "lsn", "sequence", "xmin"]
--! walcast format.flat.headers = ["op", "source.db", "txId", "xmin"]
create table orders (
    id int primary key,
    customer text not null,
    note text default 'none',
    total numeric(10, 2),
    weight double precision,
    placed timestamp,
    paid boolean not null default false,
    scan bytea,
    tags text[]
);
create table notes (body text);
alter table notes replica identity full;
--! changes
insert into orders values (1, 'Ann "the" \', 'fragile', 12.50, 0.25, '2024-02-29 12:34:56.789', true, '\x00ff', '{a,NULL,"b c"}');
insert into orders values (2, 'Bo', null, null, 1e100, null, false, null, null);
update orders set total = 13.00 where id = 1;
update orders set id = 3 where id = 2;
delete from orders where id = 1;
insert into notes values ('one'), (null);
update notes set body = 'two' where body = 'one';
delete from notes where body is null;

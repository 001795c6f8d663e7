-- PostgreSQL 18 sends a StreamAbort for a subtransaction of which nothing was streamed, even to a session that knows no
-- streaming (protocol version 1): when it drops a large transaction that it finds rolled back, it marks the
-- subtransactions it still holds in memory as streamed. 17 sends nothing of it.
CREATE TABLE plain (id int PRIMARY KEY);
CREATE TABLE filler (v int);
CREATE PUBLICATION capture FOR TABLE plain;
SELECT pg_create_logical_replication_slot('capture', 'pgoutput');
SET logical_decoding_work_mem = '64kB';

BEGIN;
INSERT INTO plain VALUES (1);
SAVEPOINT doubtful;
INSERT INTO plain VALUES (2);
RELEASE doubtful;
INSERT INTO filler SELECT generate_series(1, 2000);
ROLLBACK;
INSERT INTO plain VALUES (3);

SELECT lsn, xid, encode(data, 'hex') FROM pg_logical_slot_peek_binary_changes('capture', NULL, NULL,
    'proto_version', '1', 'publication_names', 'capture');

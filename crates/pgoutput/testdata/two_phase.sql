-- Prepared transactions, whole and in blocks: protocol version 3, PostgreSQL 15 and later; needs max_prepared_transactions.
CREATE TABLE filler (v int);
CREATE TABLE plain (id int PRIMARY KEY, note text);
CREATE PUBLICATION capture FOR TABLE plain;
SELECT pg_create_logical_replication_slot('capture', 'pgoutput', false, true);
SET logical_decoding_work_mem = '64kB';

BEGIN;
INSERT INTO plain VALUES (1, 'kept');
PREPARE TRANSACTION 'to be committed';
COMMIT PREPARED 'to be committed';
BEGIN;
INSERT INTO plain VALUES (2, 'lost');
PREPARE TRANSACTION 'to be rolled back';
ROLLBACK PREPARED 'to be rolled back';
BEGIN;
INSERT INTO plain VALUES (3, 'streamed');
INSERT INTO filler SELECT generate_series(1, 2000);
INSERT INTO plain VALUES (4, 'streamed too');
PREPARE TRANSACTION 'large';
COMMIT PREPARED 'large';

SELECT lsn, xid, encode(data, 'hex') FROM pg_logical_slot_peek_binary_changes('capture', NULL, NULL,
    'proto_version', :'proto_version', 'publication_names', 'capture', 'two_phase', 'on', 'streaming', :'streaming');

-- Logical messages and binary values: PostgreSQL 14 and later.
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE plain (id bigint PRIMARY KEY, name text, price numeric(10, 2), at timestamptz, feeling mood, data bytea);
CREATE PUBLICATION capture FOR ALL TABLES;
SELECT pg_create_logical_replication_slot('capture', 'pgoutput');

INSERT INTO plain VALUES (1, 'first', 12.50, '2024-02-29 12:00:00+00', 'ok', '\x00ff');
UPDATE plain SET id = 2, data = NULL;
BEGIN;
SELECT pg_logical_emit_message(true, 'inside', 'belongs to the transaction');
INSERT INTO plain (id) VALUES (3);
COMMIT;
-- A message without a transaction, with content that is not text, and one that is empty.
SELECT pg_logical_emit_message(false, 'outside', '\x00fffe'::bytea);
SELECT pg_logical_emit_message(false, '', '');
-- A message belongs to its transaction, or not, also when that is rolled back.
BEGIN;
SELECT pg_logical_emit_message(true, 'lost', 'never sent');
SELECT pg_logical_emit_message(false, 'kept', 'sent at once');
ROLLBACK;
-- A commit flushes the WAL: messages without a transaction do not, and only what is flushed is decoded.
DELETE FROM plain WHERE id = 3;

SELECT lsn, xid, encode(data, 'hex') FROM pg_logical_slot_peek_binary_changes('capture', NULL, NULL,
    'proto_version', '1', 'publication_names', 'capture', 'messages', 'true', 'binary', 'true');

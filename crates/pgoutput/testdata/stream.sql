-- Transactions in progress, sent in blocks: protocol version 2 (PostgreSQL 14) and 4 (16 and later).
-- The server streams a transaction when it needs more than logical_decoding_work_mem. Rows of a table that is not
-- published count too, and are not sent: they keep the capture small.
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE filler (v int);
CREATE TABLE plain (id int PRIMARY KEY, feeling mood);
CREATE TABLE whole (id int, note text);
ALTER TABLE whole REPLICA IDENTITY FULL;
CREATE PUBLICATION capture FOR TABLE plain, whole;
SELECT pg_create_logical_replication_slot('capture', 'pgoutput');
SET logical_decoding_work_mem = '64kB';

-- Small: sent whole, between Begin and Commit.
INSERT INTO plain VALUES (1, 'ok');
-- Large: several blocks, every message of a change, and a subtransaction that is rolled back.
BEGIN;
INSERT INTO plain VALUES (2, 'sad');
INSERT INTO filler SELECT generate_series(1, 2000);
UPDATE plain SET feeling = 'happy' WHERE id = 2;
SELECT pg_logical_emit_message(true, 'inside', 'a block');
SAVEPOINT doubtful;
INSERT INTO plain VALUES (3, NULL);
INSERT INTO filler SELECT generate_series(1, 2000);
ROLLBACK TO doubtful;
INSERT INTO whole VALUES (1, 'one');
UPDATE whole SET note = 'other';
DELETE FROM whole;
DELETE FROM plain WHERE id = 2;
TRUNCATE plain, whole;
INSERT INTO filler SELECT generate_series(1, 2000);
SELECT pg_logical_emit_message(false, 'outside', 'between blocks');
INSERT INTO plain VALUES (4, 'ok');
COMMIT;
-- Large, and rolled back as a whole.
BEGIN;
INSERT INTO plain VALUES (5, 'ok');
INSERT INTO filler SELECT generate_series(1, 2000);
ROLLBACK;
-- Large, and replicated from elsewhere.
SELECT pg_replication_origin_create('elsewhere');
SELECT pg_replication_origin_session_setup('elsewhere');
BEGIN;
SELECT pg_replication_origin_xact_setup('0/ABCDEF', '2024-02-29 12:00:00+00');
INSERT INTO plain VALUES (6, 'ok');
INSERT INTO filler SELECT generate_series(1, 2000);
COMMIT;

SELECT lsn, xid, encode(data, 'hex') FROM pg_logical_slot_peek_binary_changes('capture', NULL, NULL,
    'proto_version', :'proto_version', 'publication_names', 'capture', 'messages', 'true', 'streaming', :'streaming');

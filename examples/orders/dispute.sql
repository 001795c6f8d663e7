-- The life of order 8471. Each transaction says who acts, and why.
BEGIN;
SELECT pg_logical_emit_message(true, 'walcast.context', '{"user": "anna", "reason": "checkout"}');
INSERT INTO orders VALUES (8471, 'anna', 89.99, NULL, 'placed');
COMMIT;
BEGIN;
SELECT pg_logical_emit_message(true, 'walcast.context', '{"user": "anna", "reason": "coupon SAVE10"}');
UPDATE orders SET total = 79.99, coupon = 'SAVE10' WHERE id = 8471;
COMMIT;
BEGIN;
SELECT pg_logical_emit_message(true, 'walcast.context', '{"user": "support-7", "reason": "ticket 311: parcel damaged"}');
UPDATE orders SET status = 'cancelled' WHERE id = 8471;
COMMIT;
BEGIN;
SELECT pg_logical_emit_message(true, 'walcast.context', '{"user": "billing", "reason": "refund of ticket 311"}');
UPDATE orders SET total = 0, status = 'refunded' WHERE id = 8471;
COMMIT;

-- The compensation of reserve.sql. A reservation that is released already is left alone, however often this runs.
WITH released AS (
    UPDATE stock.reservations SET state = 'released' WHERE order_id = $1::text AND state = 'reserved'
    RETURNING order_id, sku, quantity
), returned AS (
    UPDATE stock.items SET available = available + quantity FROM released WHERE items.sku = released.sku
)
INSERT INTO stock.outbox
SELECT gen_random_uuid(), 'order', order_id, 'StockReleased', $2::text::jsonb FROM released

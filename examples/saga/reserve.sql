-- $1 is the order, $2 its content: {"sku", "quantity", "amount", "card"}.
WITH wanted AS (
    SELECT $1::text AS order_id, content->>'sku' AS sku, (content->>'quantity')::int AS quantity, content
    FROM (SELECT $2::text::jsonb AS content) AS event
), taken AS (
    UPDATE stock.items SET available = available - quantity FROM wanted
    WHERE items.sku = wanted.sku AND available >= quantity
    RETURNING order_id, wanted.sku, quantity
), reserved AS (
    INSERT INTO stock.reservations SELECT order_id, sku, quantity, 'reserved' FROM taken
)
INSERT INTO stock.outbox
SELECT gen_random_uuid(), 'order', order_id,
    CASE WHEN EXISTS (SELECT FROM taken) THEN 'StockReserved' ELSE 'StockRejected' END, content
FROM wanted

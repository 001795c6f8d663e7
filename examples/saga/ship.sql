WITH shipped AS (INSERT INTO shipping.parcels VALUES ($1::text) RETURNING order_id)
INSERT INTO shipping.outbox
SELECT gen_random_uuid(), 'order', order_id, 'OrderShipped', $2::text::jsonb FROM shipped

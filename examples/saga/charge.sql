WITH charged AS (
    INSERT INTO payment.charges
    SELECT $1::text, (content->>'amount')::numeric, CASE content->>'card' WHEN 'declined' THEN 'declined' ELSE 'charged' END
    FROM (SELECT $2::text::jsonb AS content) AS event
    RETURNING order_id, state
)
INSERT INTO payment.outbox
SELECT gen_random_uuid(), 'order', order_id, CASE state WHEN 'charged' THEN 'PaymentCharged' ELSE 'PaymentFailed' END,
    $2::text::jsonb
FROM charged

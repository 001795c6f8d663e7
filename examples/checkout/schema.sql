CREATE TABLE IF NOT EXISTS orders (id int PRIMARY KEY, total numeric(10, 2) NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (
    id uuid PRIMARY KEY,
    aggregatetype text NOT NULL,
    aggregateid text NOT NULL,
    type text NOT NULL,
    payload jsonb
);

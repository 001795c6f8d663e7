-- Four services, each with a schema that it alone writes. Each has an outbox for what it announces, and an inbox with the events that it
-- has processed. In production each would have a database, or at least a role, of its own.
CREATE SCHEMA IF NOT EXISTS orders;
CREATE SCHEMA IF NOT EXISTS stock;
CREATE SCHEMA IF NOT EXISTS payment;
CREATE SCHEMA IF NOT EXISTS shipping;

CREATE TABLE IF NOT EXISTS orders.orders (id text PRIMARY KEY, state text NOT NULL);
CREATE TABLE IF NOT EXISTS stock.items (sku text PRIMARY KEY, available int NOT NULL CHECK (available >= 0));
CREATE TABLE IF NOT EXISTS stock.reservations (order_id text PRIMARY KEY, sku text, quantity int, state text NOT NULL);
CREATE TABLE IF NOT EXISTS payment.charges (order_id text PRIMARY KEY, amount numeric(10, 2), state text NOT NULL);
CREATE TABLE IF NOT EXISTS shipping.parcels (order_id text PRIMARY KEY);

CREATE TABLE IF NOT EXISTS orders.outbox (
    id uuid PRIMARY KEY, aggregatetype text NOT NULL, aggregateid text NOT NULL, type text NOT NULL, payload jsonb);
CREATE TABLE IF NOT EXISTS stock.outbox (LIKE orders.outbox INCLUDING INDEXES);
CREATE TABLE IF NOT EXISTS payment.outbox (LIKE orders.outbox INCLUDING INDEXES);
CREATE TABLE IF NOT EXISTS shipping.outbox (LIKE orders.outbox INCLUDING INDEXES);

CREATE TABLE IF NOT EXISTS orders.inbox (event_id text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS stock.inbox (event_id text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS payment.inbox (event_id text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS shipping.inbox (event_id text PRIMARY KEY);

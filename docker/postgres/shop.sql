-- Example database for walcast, created at the first start of the server.

-- Privileges of the connector: REPLICATION for the slot, ownership of the tables for the publication.
CREATE ROLE walcast LOGIN REPLICATION PASSWORD 'walcast';
GRANT CREATE ON DATABASE shop TO walcast;
GRANT USAGE ON SCHEMA public TO walcast;

CREATE TABLE customers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    email      text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE orders (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers,
    status      text NOT NULL DEFAULT 'placed',
    total       numeric(10, 2) NOT NULL,
    placed_at   timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE customers OWNER TO walcast;
ALTER TABLE orders OWNER TO walcast;

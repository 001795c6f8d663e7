CREATE TYPE order_status AS ENUM ('placed', 'paid', 'shipped', 'cancelled', 'refunded');

CREATE TABLE customers (
    id serial PRIMARY KEY,
    email text NOT NULL UNIQUE,
    full_name varchar(80) NOT NULL,
    vip boolean NOT NULL DEFAULT false,
    credit_limit numeric(10,2),
    preferences jsonb,
    notes text,
    created_at timestamptz NOT NULL DEFAULT now()
);
-- Uncompressed, so that any text over about 2 kB is stored out of line and is left out of the WAL when it does not change.
ALTER TABLE customers ALTER COLUMN notes SET STORAGE EXTERNAL;

CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id int NOT NULL REFERENCES customers,
    status order_status NOT NULL DEFAULT 'placed',
    total numeric(10,2) NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz
);

CREATE TABLE items (
    order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
    line smallint NOT NULL,
    sku text NOT NULL,
    quantity int NOT NULL,
    price numeric(10,2) NOT NULL,
    PRIMARY KEY (order_id, line)
);

CREATE TABLE payments (
    id bigserial PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
    amount numeric(10,2) NOT NULL,
    method varchar(20) NOT NULL,
    due date,
    paid_at timestamp(6) NOT NULL DEFAULT now()
);
CREATE INDEX ON payments (order_id);

INSERT INTO customers (email, full_name, credit_limit, preferences, notes)
SELECT 'customer' || n || '@example.com', 'Customer ' || n, 100 * n, jsonb_build_object('theme', n % 3),
       CASE WHEN n % 2 = 0 THEN repeat(md5(n::text), 100) END
FROM generate_series(1, 100) n;

CREATE TABLE IF NOT EXISTS orders (
    id int PRIMARY KEY,
    customer text NOT NULL,
    total numeric(10, 2) NOT NULL,
    coupon text,
    status text NOT NULL
);

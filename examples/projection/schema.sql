CREATE TABLE IF NOT EXISTS order_lines (
    order_id int,
    line int,
    sku text NOT NULL,
    quantity int NOT NULL,
    price numeric(10, 2) NOT NULL,
    placed date NOT NULL,
    PRIMARY KEY (order_id, line)
);

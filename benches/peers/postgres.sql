-- What PostgreSQL holds, and how it places an order: one call, in the caller's transaction.

CREATE TABLE stock (sku int PRIMARY KEY, available bigint NOT NULL) WITH (fillfactor = 40);
INSERT INTO stock SELECT sku, CASE WHEN sku < 100000 THEN 1000000000 ELSE 0 END FROM generate_series(0, 100000) AS sku;

-- The lines lie in the order's row: a table of their own costs four more rows and index entries an order.
CREATE TABLE orders (
    id uuid PRIMARY KEY,
    buyer bigint NOT NULL,
    skus int[] NOT NULL,
    quantities int[] NOT NULL,
    unit_prices bigint[] NOT NULL
);

-- 1: placed, 2: known before, 0: refused, nothing is changed. Undone by hand, for a subtransaction an order costs more.
-- Lines come sorted by SKU, so that two orders never wait for each other.
CREATE FUNCTION place(p_id uuid, p_buyer bigint, p_skus int[], p_quantities int[], p_unit_prices bigint[])
RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO orders VALUES (p_id, p_buyer, p_skus, p_quantities, p_unit_prices) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 2;
    END IF;
    FOR line IN 1 .. cardinality(p_skus) LOOP
        UPDATE stock SET available = available - p_quantities[line]
            WHERE sku = p_skus[line] AND available >= p_quantities[line];
        IF NOT FOUND THEN
            FOR taken IN 1 .. line - 1 LOOP
                UPDATE stock SET available = available + p_quantities[taken] WHERE sku = p_skus[taken];
            END LOOP;
            DELETE FROM orders WHERE id = p_id;
            RETURN 0;
        END IF;
    END LOOP;
    RETURN 1;
END $$;

VACUUM ANALYZE stock;
CHECKPOINT;

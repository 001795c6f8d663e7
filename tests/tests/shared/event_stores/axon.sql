-- The table of Axon Framework 4 with JPA and Spring Boot's names, with bytea for its large objects.
CREATE TABLE domain_event_entry (
    global_index bigserial NOT NULL, event_identifier varchar(255) NOT NULL, meta_data bytea, payload bytea NOT NULL,
    payload_revision varchar(255), payload_type varchar(255) NOT NULL, time_stamp varchar(255) NOT NULL,
    aggregate_identifier varchar(255) NOT NULL, sequence_number bigint NOT NULL, type varchar(255),
    PRIMARY KEY (global_index), UNIQUE (aggregate_identifier, sequence_number), UNIQUE (event_identifier)
);
CREATE FUNCTION append(aggregate text, events int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO domain_event_entry (event_identifier, payload, payload_revision, payload_type, time_stamp, aggregate_identifier,
        sequence_number, type)
    SELECT gen_random_uuid()::text, '\x7b7d', '1', 'shop.OrderPlaced', '2026-01-01T00:00:00Z', aggregate,
        (SELECT COALESCE(max(sequence_number), -1) FROM domain_event_entry WHERE aggregate_identifier = aggregate) + number, 'Order'
    FROM generate_series(1, events) AS number
$$;

-- The table of message-db 1.3.0, and an append in the shape of its function write_message.
CREATE SCHEMA message_store;
CREATE TABLE message_store.messages (
    global_position bigserial NOT NULL, position bigint NOT NULL, time timestamp DEFAULT (now() AT TIME ZONE 'utc') NOT NULL,
    stream_name text NOT NULL, type text NOT NULL, data jsonb, metadata jsonb, id uuid NOT NULL DEFAULT gen_random_uuid(),
    PRIMARY KEY (global_position)
);
CREATE UNIQUE INDEX messages_stream ON message_store.messages (stream_name, position);
CREATE UNIQUE INDEX messages_id ON message_store.messages (id);
CREATE FUNCTION append(stream text, events int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    next_position bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(split_part(stream, '-', 1), 0));
    FOR number IN 1..events LOOP
        SELECT COALESCE(max(position), -1) + 1 INTO next_position FROM message_store.messages WHERE stream_name = stream;
        INSERT INTO message_store.messages (stream_name, position, type, data, metadata)
        VALUES (stream, next_position, 'OrderPlaced', '{"n": 1}', NULL);
    END LOOP;
END $$;

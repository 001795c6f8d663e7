-- The partitioned tables of Emmett 0.43, and an append in the shape of its function emt_append_to_stream.
CREATE SEQUENCE emt_global_message_position;
CREATE TABLE emt_streams (
    stream_id text NOT NULL, stream_position bigint NOT NULL, partition text NOT NULL DEFAULT 'emt:default', stream_type text NOT NULL,
    stream_metadata jsonb NOT NULL, is_archived boolean NOT NULL DEFAULT false, PRIMARY KEY (stream_id, partition, is_archived)
);
CREATE TABLE emt_messages (
    stream_position bigint NOT NULL, global_position bigint DEFAULT nextval('emt_global_message_position'),
    transaction_id xid8 NOT NULL, created timestamptz NOT NULL DEFAULT now(), is_archived boolean NOT NULL DEFAULT false,
    message_kind varchar(1) NOT NULL DEFAULT 'E', stream_id text NOT NULL, partition text NOT NULL DEFAULT 'emt:default',
    message_schema_version text NOT NULL, message_id text NOT NULL, message_type text NOT NULL, message_data jsonb NOT NULL,
    message_metadata jsonb NOT NULL, PRIMARY KEY (stream_id, stream_position, partition, is_archived)
) PARTITION BY LIST (partition);
CREATE TABLE emt_messages_emt_default PARTITION OF emt_messages FOR VALUES IN ('emt:default') PARTITION BY LIST (is_archived);
CREATE TABLE emt_messages_emt_default_active PARTITION OF emt_messages_emt_default FOR VALUES IN (false);
CREATE TABLE emt_messages_emt_default_archived PARTITION OF emt_messages_emt_default FOR VALUES IN (true);
CREATE FUNCTION append(v_stream_id text, events int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_expected bigint;
    v_updated int;
BEGIN
    SELECT COALESCE((SELECT stream_position FROM emt_streams WHERE stream_id = v_stream_id AND NOT is_archived LIMIT 1), 0)
    INTO v_expected;
    IF v_expected = 0 THEN
        INSERT INTO emt_streams (stream_id, stream_position, stream_type, stream_metadata)
        VALUES (v_stream_id, events, 'order', '{}');
    ELSE
        UPDATE emt_streams SET stream_position = v_expected + events
        WHERE stream_id = v_stream_id AND stream_position = v_expected AND NOT is_archived;
        GET DIAGNOSTICS v_updated = ROW_COUNT;
        IF v_updated = 0 THEN
            RAISE EXCEPTION 'the stream was appended to';
        END IF;
    END IF;
    INSERT INTO emt_messages (stream_id, stream_position, message_data, message_metadata, message_schema_version, message_type,
        message_id, transaction_id)
    SELECT v_stream_id, v_expected + number, '{"n": 1}', '{"by": "test"}', '1', 'OrderPlaced', gen_random_uuid()::text,
        pg_current_xact_id()
    FROM generate_series(1, events) AS number;
END $$;

-- The tables of Marten 9 with optional metadata, and an append in the shape of its function mt_quick_append_events.
CREATE TABLE mt_streams (
    id varchar PRIMARY KEY, type varchar, version bigint, timestamp timestamptz NOT NULL DEFAULT now(),
    created timestamptz NOT NULL DEFAULT now(), tenant_id varchar DEFAULT '*DEFAULT*', is_archived boolean DEFAULT false
);
CREATE SEQUENCE mt_events_sequence;
CREATE TABLE mt_events (
    seq_id bigint PRIMARY KEY, id uuid NOT NULL, stream_id varchar REFERENCES mt_streams (id) ON DELETE CASCADE,
    version bigint NOT NULL, data jsonb NOT NULL, bdata bytea, type varchar(500) NOT NULL,
    timestamp timestamptz NOT NULL DEFAULT now(), tenant_id varchar DEFAULT '*DEFAULT*', mt_dotnet_type varchar,
    correlation_id varchar, is_archived boolean DEFAULT false
);
CREATE UNIQUE INDEX pk_mt_events_stream_and_version ON mt_events (stream_id, version);
ALTER SEQUENCE mt_events_sequence OWNED BY mt_events.seq_id;
CREATE FUNCTION append(stream varchar, events int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    event_version bigint;
BEGIN
    SELECT version INTO event_version FROM mt_streams WHERE id = stream;
    IF event_version IS NULL THEN
        event_version := 0;
        INSERT INTO mt_streams (id, type, version) VALUES (stream, 'order', 0);
    END IF;
    FOR number IN 1..events LOOP
        event_version := event_version + 1;
        INSERT INTO mt_events (seq_id, id, stream_id, version, data, type, mt_dotnet_type, correlation_id)
        VALUES (nextval('mt_events_sequence'), gen_random_uuid(), stream, event_version, '{"n": 1}', 'order_placed',
            'Shop.OrderPlaced, Shop', 'c1');
    END LOOP;
    UPDATE mt_streams SET version = event_version, timestamp = now() WHERE id = stream;
END $$;

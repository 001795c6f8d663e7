-- Context of transactions: who changed the rows, and why. Each record of the transaction has it in the header walcast.context.
-- docs/context.md describes it. The script can be executed again; walcast sql context --remove prints the removal.

CREATE SCHEMA IF NOT EXISTS {schema};

-- Sets the context of the transaction; null removes it:
--   BEGIN; SELECT {schema}.set_context('{"user": "anna", "reason": "refund"}'); UPDATE ...; COMMIT;
CREATE OR REPLACE FUNCTION {schema}.set_context(context jsonb) RETURNS void
  LANGUAGE plpgsql VOLATILE SECURITY INVOKER
  SET search_path = pg_catalog, pg_temp
AS $walcast$
BEGIN
  IF context IS NULL THEN
    PERFORM pg_logical_emit_message(true, 'walcast.context.clear'::text, ''::text);
  ELSE
    PERFORM pg_logical_emit_message(true, 'walcast.context'::text, context::text);
  END IF;
  -- The trigger sends nothing else until the transaction ends, or sets walcast.context to something else.
  PERFORM set_config('walcast.context', coalesce(context::text, ''), true);
  PERFORM set_config('walcast.context_sent', coalesce(context::text, 'none'), true);
END
$walcast$;
-- A function that another role had created before would remain its own.
ALTER FUNCTION {schema}.set_context(jsonb) OWNER TO CURRENT_USER;

-- Sends the context of the transaction before its first statement on a table with the trigger: the setting walcast.context, or
-- else the comment of sqlcommenter at the end or at the beginning of the statement. It never fails a statement of the application.
CREATE OR REPLACE FUNCTION {schema}.send_context() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SECURITY INVOKER
  SET search_path = pg_catalog, pg_temp
  SET standard_conforming_strings = on
AS $walcast$
DECLARE
  wanted text := current_setting('walcast.context', true);
  sent text := current_setting('walcast.context_sent', true);
  remark text;
  pair text[];
  decoded text;
  found_context jsonb := '{}';
BEGIN
  IF wanted <> '' THEN
    IF sent IS DISTINCT FROM wanted THEN
      PERFORM pg_logical_emit_message(true, 'walcast.context'::text, wanted);
      PERFORM set_config('walcast.context_sent', wanted, true);
    END IF;
    RETURN NULL;
  END IF;
  IF sent <> '' THEN
    RETURN NULL;
  END IF;
  -- Comments of tracing libraries are short; the rest of a large statement is not searched.
  remark := coalesce(
    substring(right(current_query(), 8192) FROM '/\*((?:[^*/]|\*(?!/)|/(?!\*))*)\*/[[:space:];]*$'),
    substring(left(current_query(), 8192) FROM '^[[:space:]]*/\*((?:[^*]|\*(?!/))*)\*/'));
  -- key='value',key='value'
  IF remark ~ '^[[:space:]]*[^=,''[:space:]]+=''(?:[^''\\]|\\.)*''(?:,[[:space:]]*[^=,''[:space:]]+=''(?:[^''\\]|\\.)*'')*[[:space:]]*$' THEN
    FOR pair IN SELECT regexp_matches(remark, '([^=,''[:space:]]+)=''((?:[^''\\]|\\.)*)''', 'g') LOOP
      pair[2] := replace(pair[2], '\''', '''');
      FOR place IN 1..2 LOOP
        -- Keys and values are percent-encoded. What cannot be decoded stays as it is.
        IF position('%' IN pair[place]) > 0 THEN
          BEGIN
            SELECT convert_from(
                string_agg(
                  CASE WHEN piece[1] IS NULL THEN convert_to(piece[2], 'UTF8') ELSE decode(piece[1], 'hex') END,
                  ''::bytea ORDER BY number),
                'UTF8')
              INTO decoded
              FROM regexp_matches(pair[place], '%([0-9A-Fa-f]{2})|([^%]+|%)', 'g') WITH ORDINALITY AS pieces (piece, number);
            pair[place] := decoded;
          EXCEPTION WHEN OTHERS THEN
            NULL;
          END;
        END IF;
      END LOOP;
      found_context := found_context || jsonb_build_object(pair[1], pair[2]);
    END LOOP;
    PERFORM pg_logical_emit_message(true, 'walcast.context'::text, found_context::text);
    PERFORM set_config('walcast.context_sent', found_context::text, true);
  END IF;
  RETURN NULL;
END
$walcast$;
ALTER FUNCTION {schema}.send_context() OWNER TO CURRENT_USER;

-- The trigger is created by the owner of each table whose changes are to have a context:
--   CREATE TRIGGER walcast_context BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON public.orders
--     FOR EACH STATEMENT EXECUTE FUNCTION {schema}.send_context();
-- Roles that call set_context themselves need the right to do so; the trigger needs no right:
--   GRANT USAGE ON SCHEMA {schema} TO application;

-- Removes the functions of walcast sql context, and the triggers that call send_context.

DROP FUNCTION IF EXISTS {schema}.send_context() CASCADE;
DROP FUNCTION IF EXISTS {schema}.set_context(jsonb);

-- The schema, if nothing else is in it:
--   DROP SCHEMA IF EXISTS {schema};

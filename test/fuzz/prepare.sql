-- Whom the queries are run as: a role that has no more than the tables.
CREATE ROLE fuzz LOGIN;
CREATE SCHEMA arcache;
CREATE EXTENSION arcache SCHEMA arcache;
GRANT USAGE ON SCHEMA arcache TO fuzz;
-- The cache's own views would make most queries volatile.
REVOKE SELECT ON ALL TABLES IN SCHEMA arcache FROM PUBLIC;
DO $$
DECLARE
	s regnamespace;
BEGIN
	EXECUTE format('ALTER DATABASE %I SET search_path = public, arcache', current_database());
	FOR s IN SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'arcache')
	LOOP
		EXECUTE format('GRANT USAGE ON SCHEMA %s TO fuzz', s);
		EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO fuzz', s);
	END LOOP;
END $$;

-- What sqlsmith finds in the place of pg_proc: one volatile function makes a
-- query one that is never kept, and it calls many, so most are left out; and
-- some of the stable ones.
CREATE SCHEMA sqlsmith;
CREATE VIEW sqlsmith.pg_proc AS
	SELECT * FROM pg_catalog.pg_proc
	WHERE pronamespace = 'pg_catalog'::regnamespace
	  AND (prokind <> 'f' OR provolatile = 'i'
		   OR provolatile = 's' AND hashtext(proname) % 8 = 0
		   OR provolatile = 'v' AND hashtext(proname) % 100 = 0);
GRANT USAGE ON SCHEMA sqlsmith TO fuzz;
GRANT SELECT ON sqlsmith.pg_proc TO fuzz;

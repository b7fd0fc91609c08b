-- What the part "crowd" reads besides the tables of overhead.sql, and who looks at what
-- backends wait for.

SELECT arcache_enable(format('tracked.%I', relname)::regclass) FROM pg_class
	WHERE relnamespace = 'tracked'::regnamespace AND relkind = 'r';

CREATE UNLOGGED TABLE waits (active bigint, waiting bigint, names text[]);

CREATE PROCEDURE sample_waits(span interval) LANGUAGE plpgsql AS $$
DECLARE
	finish constant timestamptz := clock_timestamp() + span;
BEGIN
	TRUNCATE waits;
	COMMIT;
	WHILE clock_timestamp() < finish LOOP
		PERFORM pg_stat_clear_snapshot();
		INSERT INTO waits
			SELECT count(*), count(*) FILTER (WHERE wait_event_type = 'LWLock' AND wait_event ILIKE 'arcache%'),
				array_agg(DISTINCT wait_event) FILTER (WHERE wait_event_type = 'LWLock' AND wait_event ILIKE 'arcache%')
			FROM pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid();
		COMMIT;
		PERFORM pg_sleep(0.02);
	END LOOP;
END
$$;

/*
 * A libpq client in pipeline mode: sends the query of its second argument, with
 * the third as its parameter, as often as the fourth says, and between them the
 * statement of the fifth; prints what comes, a line a result.
 */
#include <stdio.h>
#include <stdlib.h>
#include <libpq-fe.h>

static void
die(PGconn *conn, const char *what)
{
	fprintf(stderr, "%s: %s", what, PQerrorMessage(conn));
	exit(1);
}

static void
print_result(PGresult *res)
{
	if (PQresultStatus(res) == PGRES_PIPELINE_ABORTED)
		printf("aborted\n");
	else if (PQresultStatus(res) == PGRES_FATAL_ERROR)
		printf("%s\n", PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
	else if (PQresultStatus(res) == PGRES_COMMAND_OK)
		printf("%s\n", PQcmdStatus(res));
	else if (PQresultStatus(res) == PGRES_TUPLES_OK)
	{
		for (int i = 0; i < PQntuples(res); i++)
			for (int j = 0; j < PQnfields(res); j++)
				printf("%s%s", i + j > 0 ? "|" : "", PQgetvalue(res, i, j));
		printf("\n");
	}
	PQclear(res);
}

int
main(int argc, char **argv)
{
	PGconn	   *conn = PQconnectdb(argv[1]);
	const char *values[1] = {argv[3]};
	int			n = atoi(argv[4]);

	if (PQstatus(conn) != CONNECTION_OK)
		die(conn, "connect");
	if (!PQenterPipelineMode(conn))
		die(conn, "pipeline");
	if (!PQsendPrepare(conn, "q", argv[2], 0, NULL))
		die(conn, "prepare");
	for (int i = 0; i < n; i++)
	{
		if (i > 0 && argc > 5 && !PQsendQueryParams(conn, argv[5], 0, NULL, NULL, NULL, NULL, 0))
			die(conn, "between");
		if (!PQsendQueryPrepared(conn, "q", 1, values, NULL, NULL, 0))
			die(conn, "execute");
		if (!PQpipelineSync(conn))
			die(conn, "sync");
	}
	for (int synced = 0; synced < n;)
	{
		PGresult   *res = PQgetResult(conn);

		if (res == NULL)
			continue;			/* between two results */
		if (PQresultStatus(res) == PGRES_PIPELINE_SYNC)
			synced++;
		print_result(res);
	}
	PQfinish(conn);
	return 0;
}

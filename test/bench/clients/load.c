/*-------------------------------------------------------------------------
 *
 * load.c
 *	  A client that asks PostgreSQL, Redis or memcached in one and the same loop.
 *
 * One thread; each connection has one request under way at any time (nothing is
 * pipelined), and epoll says which of them has an answer.  What differs between the
 * servers is in three functions each: connect, ask, and take what has come.
 * PostgreSQL is spoken to through libpq, as programs do; the other two protocols
 * are so simple that they are written and read here, which no library of theirs
 * would do with less work.
 *
 * Prints, separated by tabs: answers, seconds, processor time of the server in
 * nanoseconds (of the backends, or of the processes named by -P), that of this
 * client.  An answer that is not as long as -b says is an error, so that nobody
 * wins by missing.
 *
 *-------------------------------------------------------------------------
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#define CLIENTS_MAX		1024
#define PIDS_MAX		CLIENTS_MAX
#define BUFFER_SIZE		(1 << 20)
#define NAME			"s"		/* of the prepared statement */

typedef struct Client
{
	int			fd;
	PGconn	   *conn;
	bool		answered;		/* a result has been seen */
	char	   *buffer;			/* what has come of an answer */
	size_t		used;
} Client;

typedef struct Protocol
{
	const char *name;
	void		(*connect) (Client *client);
	void		(*ask) (Client *client, const char *key);
	void		(*store) (Client *client, const char *key);

	/* Take what has come; has the answer ended? */
	bool		(*take) (Client *client);
} Protocol;

/* The command line. */
static const Protocol *protocol;
static const char *address;		/* conninfo, a socket's path, or host:port */
static const char *statement = "SELECT 1";
static bool prepared = false;
static bool has_parameter;		/* does the statement ask for a key? */
static int	nclients = 1;
static double seconds = 1;
static double warm_seconds = 0.1;
static long nkeys = 1;
static size_t value_size = 0;	/* of each answer at least */
static bool storing = false;
static int	pids[PIDS_MAX];
static int	npids = 0;

static Client clients[CLIENTS_MAX];

static void
die(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	fputs("load: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

/* -- times ------------------------------------------------------------------- */

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int64_t
own_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* A process may have several threads. */
static int64_t
process_ns(int pid)
{
	char		path[300];
	DIR		   *tasks;
	struct dirent *task;
	int64_t		sum = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	if ((tasks = opendir(path)) == NULL)
		return 0;
	while ((task = readdir(tasks)) != NULL)
	{
		FILE	   *file;
		long long	ns = 0;

		if (task->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, task->d_name);
		if ((file = fopen(path, "r")) == NULL)
			continue;
		if (fscanf(file, "%lld", &ns) == 1)
			sum += ns;
		fclose(file);
	}
	closedir(tasks);
	return sum;
}

static int64_t
server_ns(void)
{
	int64_t		sum = 0;

	for (int i = 0; i < npids; i++)
		sum += process_ns(pids[i]);
	return sum;
}

/* -- PostgreSQL ---------------------------------------------------------------- */

static void
pg_connect(Client *client)
{
	PGresult   *result;

	client->conn = PQconnectdb(address);
	if (PQstatus(client->conn) != CONNECTION_OK)
		die("%s", PQerrorMessage(client->conn));
	client->fd = PQsocket(client->conn);
	if (npids < PIDS_MAX)
		pids[npids++] = PQbackendPID(client->conn);
	if (!prepared)
		return;
	result = PQprepare(client->conn, NAME, statement, 0, NULL);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		die("%s", PQerrorMessage(client->conn));
	PQclear(result);
}

/* The statement with the key in place of $1, for the simple protocol. */
static const char *
with_key(const char *key)
{
	static char text[BUFFER_SIZE];
	const char *place = strstr(statement, "$1");

	snprintf(text, sizeof(text), "%.*s'%s'%s", (int) (place - statement), statement, key,
			 place + 2);
	return text;
}

static void
pg_ask(Client *client, const char *key)
{
	int			sent;

	if (prepared)
		sent = PQsendQueryPrepared(client->conn, NAME, has_parameter ? 1 : 0, &key,
								   NULL, NULL, 0);
	else
		sent = PQsendQuery(client->conn, has_parameter ? with_key(key) : statement);
	if (!sent || PQflush(client->conn) != 0)
		die("%s", PQerrorMessage(client->conn));
	client->answered = false;
}

static void
pg_check(Client *client, PGresult *result)
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		die("%s", PQerrorMessage(client->conn));
	if (PQntuples(result) < 1 ||
		(size_t) PQgetlength(result, 0, PQnfields(result) - 1) < value_size)
		die("an answer is missing or too short: %s", statement);
	client->answered = true;
}

static bool
pg_take(Client *client)
{
	if (!PQconsumeInput(client->conn))
		die("%s", PQerrorMessage(client->conn));
	while (!PQisBusy(client->conn))
	{
		PGresult   *result = PQgetResult(client->conn);

		if (result == NULL)
			return client->answered;
		pg_check(client, result);
		PQclear(result);
	}
	return false;
}

/* -- sockets ------------------------------------------------------------------- */

static int
connect_tcp(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	int			on = 1;
	int			fd;

	if (getaddrinfo(host, port, &hints, &found) != 0)
		die("no such address: %s", address);
	fd = socket(found->ai_family, found->ai_socktype, 0);
	if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0)
		die("cannot connect to %s: %s", address, strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	freeaddrinfo(found);
	return fd;
}

static int
connect_unix(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int			fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", address);
	if (fd < 0 || connect(fd, (struct sockaddr *) &to, sizeof(to)) != 0)
		die("cannot connect to %s: %s", address, strerror(errno));
	return fd;
}

static void
socket_connect(Client *client)
{
	char		host[100];
	const char *colon = strrchr(address, ':');

	client->buffer = malloc(BUFFER_SIZE);
	if (address[0] == '/')
		client->fd = connect_unix();
	else
	{
		if (colon == NULL)
			die("neither a path nor host:port: %s", address);
		snprintf(host, sizeof(host), "%.*s", (int) (colon - address), address);
		client->fd = connect_tcp(host, colon + 1);
	}
}

static void
socket_send(Client *client, const char *bytes, size_t size)
{
	while (size > 0)
	{
		ssize_t		n = write(client->fd, bytes, size);

		if (n < 0)
			die("%s: %s", address, strerror(errno));
		bytes += n;
		size -= n;
	}
	client->used = 0;
}

static void
socket_take(Client *client)
{
	ssize_t		n = read(client->fd, client->buffer + client->used,
						 BUFFER_SIZE - 1 - client->used);

	if (n <= 0)
		die("%s: the connection is gone", address);
	client->used += n;
	client->buffer[client->used] = '\0';
}

/* Does what has come end so? */
static bool
ends_with(const Client *client, const char *end)
{
	size_t		length = strlen(end);

	return client->used >= length &&
		memcmp(client->buffer + client->used - length, end, length) == 0;
}

static void
check_size(const Client *client)
{
	if (!storing && client->used < value_size)
		die("an answer is too short: %.100s", client->buffer);
}

/* A value as the text of a JSON string. */
static const char *
value(void)
{
	static char *text = NULL;

	if (text == NULL)
	{
		text = malloc(value_size + 3);
		memset(text, 'x', value_size + 2);
		text[0] = text[value_size + 1] = '"';
		text[value_size + 2] = '\0';
	}
	return text;
}

/* -- Redis ----------------------------------------------------------------------- */

static bool redis_take(Client *client);

/* The password is not for the command line, where others can read it. */
static void
redis_connect(Client *client)
{
	const char *password = getenv("LOAD_PASSWORD");
	char		text[300];

	socket_connect(client);
	if (password == NULL)
		return;
	snprintf(text, sizeof(text), "*2\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n", strlen(password), password);
	socket_send(client, text, strlen(text));
	do
		socket_take(client);
	while (!ends_with(client, "\r\n"));
	if (client->buffer[0] != '+')
		die("%s: %s", address, client->buffer);
}

static void
redis_ask(Client *client, const char *key)
{
	char		text[300];
	int			length;

	length = snprintf(text, sizeof(text), "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", strlen(key), key);
	socket_send(client, text, length);
}

static void
redis_store(Client *client, const char *key)
{
	static char text[BUFFER_SIZE];
	int			length;

	length = snprintf(text, sizeof(text), "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n",
					  strlen(key), key, strlen(value()), value());
	socket_send(client, text, length);
}

/* "$5\r\nvalue\r\n", "$-1\r\n", "+OK\r\n", "-ERR ...\r\n" */
static bool
redis_take(Client *client)
{
	char	   *line;
	long		length;

	socket_take(client);
	if ((line = strstr(client->buffer, "\r\n")) == NULL)
		return false;
	if (client->buffer[0] == '+')
		return true;
	if (client->buffer[0] != '$')
		die("%s: %.100s", address, client->buffer);
	length = atol(client->buffer + 1);
	if (length < 0)
		die("Redis misses a key");
	if (client->used < (size_t) (line + 2 - client->buffer) + length + 2)
		return false;
	check_size(client);
	return true;
}

/* -- memcached --------------------------------------------------------------------- */

static void
memcached_ask(Client *client, const char *key)
{
	char		text[300];
	int			length = snprintf(text, sizeof(text), "get %s\r\n", key);

	socket_send(client, text, length);
}

static void
memcached_store(Client *client, const char *key)
{
	static char text[BUFFER_SIZE];
	int			length;

	length = snprintf(text, sizeof(text), "set %s 0 0 %zu\r\n%s\r\n", key, strlen(value()), value());
	socket_send(client, text, length);
}

/* "VALUE key 0 5\r\nvalue\r\nEND\r\n", "END\r\n", "STORED\r\n" */
static bool
memcached_take(Client *client)
{
	socket_take(client);
	if (!ends_with(client, storing ? "STORED\r\n" : "\r\nEND\r\n"))
	{
		if (strcmp(client->buffer, "END\r\n") == 0)
			die("memcached misses a key");
		return false;
	}
	check_size(client);
	return true;
}

/* -- the loop ---------------------------------------------------------------------- */

static const Protocol protocols[] = {
	{"postgres", pg_connect, pg_ask, NULL, pg_take},
	{"redis", redis_connect, redis_ask, redis_store, redis_take},
	{"memcached", socket_connect, memcached_ask, memcached_store, memcached_take},
};

/* The same keys in the same order for all servers. */
static const char *
next_key(void)
{
	static uint64_t state = UINT64_C(88172645463325252);
	static long sequence = 0;
	static char key[40];
	long		number;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	number = storing ? sequence++ : (long) (state % (uint64_t) nkeys);
	snprintf(key, sizeof(key), "key:%ld", number + 1);
	return key;
}

static void
ask(Client *client)
{
	if (storing)
		protocol->store(client, next_key());
	else
		protocol->ask(client, next_key());
}

/* Let answers come, and ask anew, until the moment or the count; how many came? */
static long
go_on(int epoll, double until, long count)
{
	struct epoll_event events[CLIENTS_MAX];
	long		answers = 0;

	while (answers < count && now() < until)
	{
		int			n = epoll_wait(epoll, events, nclients, 1000);

		for (int i = 0; i < n; i++)
		{
			Client	   *client = events[i].data.ptr;

			if (!protocol->take(client))
				continue;
			answers++;
			ask(client);
		}
	}
	return answers;
}

static void
start(int epoll)
{
	for (int i = 0; i < nclients; i++)
	{
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};

		protocol->connect(&clients[i]);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event) != 0)
			die("epoll: %s", strerror(errno));
	}
	for (int i = 0; i < nclients; i++)
		ask(&clients[i]);
}

static void
measure(int epoll)
{
	double		begin;
	double		end;
	int64_t		server;
	int64_t		own;
	long		answers;

	(void) go_on(epoll, now() + warm_seconds, INT64_MAX);
	server = server_ns();
	own = own_ns();
	begin = now();
	answers = go_on(epoll, begin + seconds, INT64_MAX);
	end = now();
	printf("%ld\t%.6f\t%lld\t%lld\n", answers, end - begin,
		   (long long) (server_ns() - server), (long long) (own_ns() - own));
}

static void
read_pids(char *list)
{
	for (char *pid = strtok(list, ","); pid != NULL && npids < PIDS_MAX; pid = strtok(NULL, ","))
		pids[npids++] = atoi(pid);
}

static void
read_option(int option)
{
	switch (option)
	{
		case 'a':
			address = optarg;
			break;
		case 'b':
			value_size = strtoul(optarg, NULL, 10);
			break;
		case 'c':
			nclients = atoi(optarg);
			break;
		case 'k':
			nkeys = atol(optarg);
			break;
		case 'M':
			prepared = strcmp(optarg, "prepared") == 0;
			break;
		case 'P':
			read_pids(optarg);
			break;
		case 'p':
			for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
			{
				if (strcmp(optarg, protocols[i].name) == 0)
					protocol = &protocols[i];
			}
			break;
		case 'q':
			statement = optarg;
			break;
		case 'S':
			storing = true;
			break;
		case 't':
			seconds = atof(optarg);
			break;
		case 'w':
			warm_seconds = atof(optarg);
			break;
		default:
			exit(2);
	}
}

int
main(int argc, char **argv)
{
	int			option;
	int			epoll = epoll_create1(0);

	while ((option = getopt(argc, argv, "a:b:c:k:M:P:p:q:St:w:")) != -1)
		read_option(option);
	has_parameter = strstr(statement, "$1") != NULL;
	if (protocol == NULL || address == NULL || nclients < 1 || nclients > CLIENTS_MAX ||
		nkeys < 1 || value_size > BUFFER_SIZE / 2 || (storing && protocol->store == NULL))
		die("usage: load -p postgres|redis|memcached -a ADDRESS [-q STATEMENT] [-M prepared]\n"
			"            [-c CLIENTS] [-t SECONDS] [-w WARM-SECONDS] [-k KEYS] [-b BYTES] [-P PID,...] [-S]");
	if (storing)
		nclients = 1;
	start(epoll);
	if (storing)
		(void) go_on(epoll, now() + 3600, nkeys);
	else
		measure(epoll);
	return 0;
}

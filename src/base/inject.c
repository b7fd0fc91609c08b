/*-------------------------------------------------------------------------
 *
 * inject.c
 *	  Points at which tests make something go wrong.
 *
 * Part of the library only if that is compiled with ARC_INJECT.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/inject.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#ifndef ARC_INJECT
#error "inject.c is for libraries with ARC_INJECT"
#endif

#define HOLD_FILE		"arcache.hold"
#define MAX_FAULTS		4
#define EACH_TIME		(-1)

typedef enum Action
{
	ACTION_ERROR,
	ACTION_CANCEL,
	ACTION_TERMINATE,
	ACTION_KILL,
	ACTION_WAIT,
	ACTION_FAIL,
	ACTION_LOG
} Action;

static const char *const action_names[] = {
	"error", "cancel", "terminate", "kill", "wait", "fail", "log"
};

typedef struct Fault
{
	char		point[NAMEDATALEN];
	Action		action;
	int			left;			/* times until it happens; 0: it has; or EACH_TIME */
} Fault;

static char *setting = NULL;
static Fault faults[MAX_FAULTS];
static int	nfaults = 0;

/* -- the setting ------------------------------------------------------------- */

/* POINT=ACTION[:N], which is scribbled on. */
static bool
read_fault(char *text, Fault *fault)
{
	char	   *action = strchr(text, '=');
	char	   *times;

	if (action == NULL || action - text >= NAMEDATALEN)
		return false;
	*action++ = '\0';
	strlcpy(fault->point, text, NAMEDATALEN);
	times = strchr(action, ':');
	if (times != NULL)
		*times++ = '\0';
	fault->left = times == NULL ? 1 : strcmp(times, "*") == 0 ? EACH_TIME : atoi(times);
	if (fault->left == 0)
		return false;
	for (int i = 0; i < lengthof(action_names); i++)
	{
		if (strcmp(action, action_names[i]) == 0)
		{
			fault->action = i;
			return true;
		}
	}
	return false;
}

/* How many there are in the list, or -1. */
static int
read_faults(const char *list, Fault *to)
{
	char		copy[1024];
	char	   *next = copy;
	int			n = 0;

	if (strlen(list) >= sizeof(copy))
		return -1;
	strcpy(copy, list);
	while (next != NULL && *next != '\0')
	{
		char	   *one = next;

		next = strchr(one, ',');
		if (next != NULL)
			*next++ = '\0';
		if (n == MAX_FAULTS || !read_fault(one, &to[n]))
			return -1;
		n++;
	}
	return n;
}

static bool
check_setting(char **value, void **extra, GucSource source)
{
	Fault		ignored[MAX_FAULTS];

	return *value == NULL || read_faults(*value, ignored) >= 0;
}

static void
assign_setting(const char *value, void *extra)
{
	nfaults = value ? read_faults(value, faults) : 0;
}

void
arc_inject_define(void)
{
	DefineCustomStringVariable("arcache.debug_inject",
							   "Makes something go wrong, for tests.",
							   "A list of POINT=ACTION[:N].",
							   &setting, "",
							   PGC_SUSET, GUC_NOT_IN_SAMPLE,
							   check_setting, assign_setting, NULL);
}

/* -- points ------------------------------------------------------------------ */

static bool
happens_at(const Fault *fault, const char *point, ArcInjectKind kind)
{
	if (fault->left == 0 ||
		(strcmp(fault->point, "*") != 0 && strcmp(fault->point, point) != 0))
		return false;
	if (kind == ARC_INJECT_ONLY_WAIT)
		return fault->action == ACTION_WAIT && fault->point[0] != '*';
	switch (fault->action)
	{
		case ACTION_ERROR:
			return kind == ARC_INJECT_MAY_RAISE;
		case ACTION_FAIL:
			return kind == ARC_INJECT_MAY_FAIL;
		default:
			return true;
	}
}

static void
wait_while_held(ArcInjectKind kind)
{
	while (access(HOLD_FILE, F_OK) == 0)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 10, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		if (kind == ARC_INJECT_MAY_RAISE)
			CHECK_FOR_INTERRUPTS();
	}
}

/* A signal to oneself has been handled when kill() returns. */
static void
strike(int signal, ArcInjectKind kind)
{
	kill(MyProcPid, signal);
	if (kind == ARC_INJECT_MAY_RAISE)
		CHECK_FOR_INTERRUPTS();
}

/* Does what is tried here fail? */
bool
arc_inject_reach(const char *point, ArcInjectKind kind)
{
	for (int i = 0; i < nfaults; i++)
	{
		Fault	   *fault = &faults[i];

		if (!happens_at(fault, point, kind) ||
			(fault->left > 0 && --fault->left > 0))
			continue;
		if (fault->action != ACTION_FAIL)
			elog(LOG, "arcache injection: %s at %s", action_names[fault->action], point);
		switch (fault->action)
		{
			case ACTION_ERROR:
				elog(ERROR, "arcache injection at %s", point);
				break;
			case ACTION_CANCEL:
				strike(SIGINT, kind);
				break;
			case ACTION_TERMINATE:
				strike(SIGTERM, kind);
				break;
			case ACTION_KILL:
				kill(MyProcPid, SIGKILL);
				pg_usleep(USECS_PER_SEC * 60);
				break;
			case ACTION_WAIT:
				wait_while_held(kind);
				break;
			case ACTION_FAIL:
				return true;
			case ACTION_LOG:
				break;
		}
	}
	return false;
}

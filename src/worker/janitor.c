/*-------------------------------------------------------------------------
 *
 * janitor.c
 *	  The background worker "arcache janitor".
 *
 * The worker connects to no database, but connects, so that pg_stat_activity
 * shows it.  After an error it exits and the postmaster starts it again after
 * RESTART_SECONDS; meanwhile backends evict for themselves.
 *
 * It makes its rounds every arcache.janitor_delay, and in between makes room
 * whenever a backend had to: whoever fills a cache faster than that would find it
 * full most of the time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/inject.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "cache/cache.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "store/store.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "worker/janitor.h"

#define RESTART_SECONDS		10

/* Evict in slices of this size, so that a shutdown need not wait for all. */
#define EVICT_SLICE			(UINT64CONST(1024) * 1024)

/*
 * latch is the worker's, NULL while there is none.  It is written and read without
 * a lock, as latches of other processes are (cf. WAL writer): who has an old one wakes
 * somebody for nothing.
 */
typedef struct ArcSharedJanitor
{
	Latch	   *volatile latch;
	pg_atomic_uint32 pid;
	pg_atomic_uint64 rounds;
	pg_atomic_uint64 last_round;
} ArcSharedJanitor;

static ArcSharedJanitor *shared = NULL;

static Size
janitor_size(void)
{
	return sizeof(ArcSharedJanitor);
}

static void
janitor_init(void *address, LWLockPadded *locks)
{
	ArcSharedJanitor *s = address;

	s->latch = NULL;
	pg_atomic_init_u32(&s->pid, 0);
	pg_atomic_init_u64(&s->rounds, 0);
	pg_atomic_init_u64(&s->last_round, 0);
}

static void
wake_janitor(void)
{
	Latch	   *latch = shared->latch;

	if (latch != NULL && latch != MyLatch)
		SetLatch(latch);
}

static void
janitor_attach(void *address, LWLockPadded *locks)
{
	shared = address;
	arc_store_set_alarm(wake_janitor);
}

void
arc_janitor_shmem_register(void)
{
	static const ArcShmemPart part = {
		.name = "arcache janitor",
		.size = janitor_size,
		.init = janitor_init,
		.attach = janitor_attach,
	};

	arc_shmem_register(&part);
}

void
arc_janitor_read(ArcJanitorState *state)
{
	state->pid = pg_atomic_read_u32(&shared->pid);
	state->rounds = pg_atomic_read_u64(&shared->rounds);
	state->last_round = pg_atomic_read_u64(&shared->last_round);
}

static void
say_gone(int code, Datum arg)
{
	shared->latch = NULL;
	pg_atomic_write_u32(&shared->pid, 0);
}

static uint64
evict_ahead(void)
{
	uint64		evicted = 0;
	uint64		shortage;

	while ((shortage = arc_store_shortage()) > 0)
	{
		uint64		freed = arc_store_evict(Min(shortage, EVICT_SLICE));

		CHECK_FOR_INTERRUPTS();
		if (freed == 0)
			break;
		evicted += freed;
	}
	return evicted;
}

static void
do_round(int step)
{
	uint64		removed;
	uint64		evicted;
	TimestampTz start = GetCurrentTimestamp();

	ARC_INJECT_POINT("janitor-round");
	arc_cache_refresh_horizon();
	removed = arc_store_sweep(step, start);
	evicted = evict_ahead();
	ARC_INJECT_POINT("janitor-swept");

	pg_atomic_fetch_add_u64(&shared->rounds, 1);
	pg_atomic_write_u64(&shared->last_round, start);
	if (removed > 0 || evicted > 0)
		elog(DEBUG1, "arcache janitor: removed " UINT64_FORMAT " expired or dead entries, evicted "
			 UINT64_FORMAT " bytes in %ld ms",
			 removed, evicted,
			 TimestampDifferenceMilliseconds(start, GetCurrentTimestamp()));
}

/* Milliseconds; none if the clock has been set back. */
static long
until_next_round(TimestampTz last_round)
{
	TimestampTz now = GetCurrentTimestamp();

	if (now < last_round)
		return 0;
	return TimestampDifferenceMilliseconds(now,
										   TimestampTzPlusMilliseconds(last_round, arc_janitor_delay));
}

void
arc_janitor_main(Datum arg)
{
	uint32		wait_event;
	TimestampTz last_round = 0;
	int			step = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	on_shmem_exit(say_gone, 0);
	pg_atomic_write_u32(&shared->pid, MyProcPid);
	shared->latch = MyLatch;
	wait_event = arc_compat_wait_event("ArcacheJanitorMain");
	elog(DEBUG1, "arcache janitor started");

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			last_round = 0;
		}

		if (until_next_round(last_round) == 0)
		{
			/* A sixteenth of the index each round. */
			do_round(step);
			step = (step + 1) % ARC_SWEEP_STEPS;
			last_round = GetCurrentTimestamp();
		}
		else
			(void) evict_ahead();

		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 until_next_round(last_round), wait_event);
		ResetLatch(MyLatch);
	}
}

void
arc_janitor_register(void)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_ConsistentState,
		.bgw_restart_time = RESTART_SECONDS
	};

	strlcpy(worker.bgw_name, "arcache janitor", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "arcache janitor", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "arcache", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "arc_janitor_main", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

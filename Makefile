# arcache: query results in PostgreSQL's shared memory
#
#   make demo           see it work, in a private server
#   make test           all tests, in private servers
#   make                build for the server of PG_CONFIG
#   make install        install into that server (usually as root)
#   make installcheck   SQL tests against that server, running and with
#                       arcache in its shared_preload_libraries
#
# PG_CONFIG=/path/to/pg_config chooses the server for all of them.  demo and
# test install what they lack with apt-get when it is not given.
#
# make test-core runs PostgreSQL's own tests with arcache preloaded, in the modes
# of test/core/run; it fetches their source with apt-get.
#
# make test-fuzz runs random queries and random bytes, SECONDS=30 each.
#
# make test-matrix runs all tests with each supported version, on servers that it
# builds with assertions.
#
# make test-sanitize runs tests under memory checkers, on servers built for them.
#
# make test-oracle SECONDS=60 SEED=1 MUTANTS=1 compares random reads with what they
# are without the cache; and that it would find mistakes: see test/oracle/run.
#
# make bench measures it beside what a user would pick instead; ONLY="hit inside" are some
# parts of it: see test/bench/run.
#
# make lint looks at the sources: compilers, analysers, the style of the tree.
#
# make test SUITES="regress isolation tap model symbols" picks suites;
# make test TESTS="name ..." picks single tests by their names below.

MODULE_big = arcache
EXTENSION = arcache
DATA = arcache--1.0.sql

OBJS = \
	src/arcache.o \
	src/base/relstats.o \
	src/base/settings.o \
	src/base/shmem.o \
	src/base/statements.o \
	src/base/stats.o \
	src/base/tally.o \
	src/store/arena.o \
	src/store/entry.o \
	src/store/eviction.o \
	src/store/index.o \
	src/coherence/ddl.o \
	src/coherence/enable.o \
	src/coherence/force.o \
	src/coherence/key.o \
	src/coherence/slots.o \
	src/coherence/token.o \
	src/coherence/tracking.o \
	src/coherence/trigger.o \
	src/coherence/visibility.o \
	src/coherence/writeset.o \
	src/cache/cache.o \
	src/cache/environment.o \
	src/cache/flight.o \
	src/cache/glob.o \
	src/cache/meta.o \
	src/cache/pending.o \
	src/cache/pin.o \
	src/query/builtins.o \
	src/query/cacheability.o \
	src/query/capture.o \
	src/query/clock.o \
	src/query/comparison.o \
	src/query/conversion.o \
	src/query/dependency.o \
	src/query/fingerprint.o \
	src/query/foreign_key.o \
	src/query/hint.o \
	src/query/image.o \
	src/query/keyscan.o \
	src/query/lookup.o \
	src/query/lookup_batch.o \
	src/query/plan_age.o \
	src/query/plan_memo.o \
	src/query/plan_walker.o \
	src/query/readthrough.o \
	src/query/related.o \
	src/query/relationship.o \
	src/query/result_explain.o \
	src/query/result_plan.o \
	src/query/result_scan.o \
	src/query/single_row.o \
	src/query/source.o \
	src/query/transparent.o \
	src/api/admin.o \
	src/api/arguments.o \
	src/api/counts.o \
	src/api/entries.o \
	src/api/keys.o \
	src/api/queries.o \
	src/api/relationships.o \
	src/api/rows.o \
	src/api/sets.o \
	src/api/tables.o \
	src/api/values.o \
	src/api/views.o \
	src/worker/janitor.o

# A library for tests in which things can be made to go wrong: base/inject.h.
ifdef ARC_INJECT
OBJS += src/base/inject.o
endif

# sql/NAME.sql with expected/NAME.out
REGRESS = values transactions patterns queries rows relationships orm_guide cacheability tracking privileges settings bad_input loopholes keys key_precision transparent transparent_rls transparent_ddl force transparent_review transparent_cursors statements plan_memo images security_matrix security_search_path security_rls

# test/specs/NAME.spec with test/expected/NAME.out
ISOLATION = alter ddl-race delete-fill enable-race fill-commit flight-deadlock flight-uncacheable flight if-absent inherit long-xid matview old-snapshot own-write partition prepared recreate relations revoke ring rows savepoint serializable set-depends set-fill set-strangers tags truncate ttl-own-write untrack values-prepared values writers rows-by-key relationships key-precision key-snapshot key-prepared key-own-write key-escalation key-cascade key-partition key-inherit key-conflict key-null key-twice key-join key-enable ancestors plan-memo transparent

# test/t/NAME.pl
TAP = preload restart full terminate stampede janitor owners standby logical dump oracle oracle_logical random_keys clients statements pieces faults faults_waiting faults_locks faults_crash faults_limits

# Those of them that need a library with points of injection
INJECT = faults faults_waiting faults_locks faults_crash

# Each test stands alone: the extension is there when it begins.
REGRESS_OPTS = --load-extension=$(EXTENSION)
ISOLATION_OPTS = --load-extension=$(EXTENSION) --inputdir=$(srcdir)/test \
	$(if $(filter-out 15,$(MAJORVERSION)),--expecteddir=$(srcdir)/test)
ifneq (,$(strip $(TAP)))
TAP_TESTS = 1
PROVE_TESTS = $(TAP:%=test/t/%.pl)
endif

# The server's own headers are clean but for the warnings switched off here.
# "make WERROR=" lets a compiler newer than ours have its say and go on.
WERROR = -Werror
PG_CPPFLAGS = -I$(srcdir)/src $(if $(ARC_INJECT),-DARC_INJECT)
PG_CFLAGS = -Wall -Wextra $(WERROR) \
	-Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers \
	-MMD -MP

# Exports are listed, because hidden visibility cannot be had everywhere:
# before 16, PG_FUNCTION_INFO_V1 and PGDLLEXPORT do not mark what must be seen.
SHLIB_EXPORTS = src/exports.txt

# No bitcode.  It exists to let the JIT compiler inline a function into an
# expression; ours look into shared memory or run a query, so there is nothing
# to win, and the build needs no clang of the server's own version.
override with_llvm = no

EXTRA_CLEAN = $(OBJS:.o=.d) src/base/inject.[od] build

# These bring what they need along, so they work without PGXS.
ifneq (,$(filter-out bench demo lint test test-core test-fuzz test-oracle test-matrix test-sanitize,$(or $(MAKECMDGOALS),all)))
PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq (,$(wildcard $(PGXS)))
$(error "$(PG_CONFIG) --pgxs" names no file: install the server's development package, or give PG_CONFIG=/path/to/pg_config)
endif
include $(PGXS)

# Flags live here, headers in the files that the compiler wrote (-MMD).
$(OBJS): %.o: %.c Makefile
-include $(OBJS:.o=.d)
endif

.PHONY: bench demo lint test test-core test-fuzz test-oracle test-matrix test-sanitize

# (SECONDS means something else to a shell.)
bench:
	@BENCH_SECONDS='$(or $(SECONDS),1)' test/bench/run

demo:
	@test/demo/run

LISTS = REGRESS='$(REGRESS)' ISOLATION='$(ISOLATION)' TAP='$(TAP)' INJECT='$(INJECT)' OBJS='$(OBJS)'

lint:
	@$(LISTS) OBJS='$(OBJS) src/base/inject.o' test/lint/run

test:
	@$(LISTS) test/run

test-matrix:
	@$(LISTS) test/matrix/run

test-sanitize:
	@$(LISTS) test/sanitize/run

test-core:
	@test/core/run

# (SECONDS means something else to a shell.)
test-oracle:
	@ARCACHE_SECONDS='$(or $(SECONDS),60)' ARCACHE_SEED='$(SEED)' MUTANTS='$(MUTANTS)' test/oracle/run

test-fuzz:
	@test/fuzz/run

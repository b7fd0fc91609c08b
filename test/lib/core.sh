# shellcheck shell=bash disable=SC2154
# PostgreSQL's own tests: fetch and prepare them.
#
#   $CORE_SOURCE        PostgreSQL's source tree, instead of the package that
#                       apt-get has
#   $work/core/SUITE    the tests, to read
#   $work/core/library  their compiled C code

# The tests' C code, and a copy of their files that the server's user can read.
prepare_core() {
	local tree=${CORE_SOURCE:-} library=$work/core/library fetched=$source_dir/build/core
	mkdir -p "$fetched" 2>/dev/null && [ -w "$fetched" ] || fetched=$work/fetched
	[ -n "$tree" ] || tree=$("$source_dir/test/core/source" "$server_major" "$fetched") || return
	[ -d "$tree/src/test/regress/sql" ] || die "$tree is not PostgreSQL's source tree"
	say "${dim}tests of $tree$plain"
	mkdir -p "$library" "$work/core/regress" "$work/core/isolation" &&
		(cd "$tree/src/test/regress" && cp -R sql expected data ./*_schedule resultmap "$work/core/regress") &&
		(cd "$tree/src/test/isolation" && cp -R specs expected ./*_schedule "$work/core/isolation") &&
		cp "$tree"/src/test/regress/regress.c "$tree"/contrib/spi/{autoinc,refint}.c "$library" || return
	# shellcheck disable=SC2016
	printf '%s\n' 'MODULES = regress autoinc refint' 'PG_CPPFLAGS = -DREFINT_VERBOSE' 'override with_llvm = no' \
		'PGXS := $(shell $(PG_CONFIG) --pgxs)' 'include $(PGXS)' >"$library/Makefile"
	make -C "$library" PG_CONFIG="$PG_CONFIG" all >"$work/core/build.log" 2>&1 || {
		cat "$work/core/build.log"
		return 1
	}
	chmod -R a+rX "$work/core"
}

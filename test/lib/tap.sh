# shellcheck shell=bash disable=SC2154
# TAP files (test/t/NAME.pl), each by itself, in the folder $tap_out.

time_limit=1800				# seconds, for a suite or a TAP file

tap_begin() {
	tap_out=$work/run/tap
	mkdir -p "$work/tests"
	cp -R "$source_dir/test/t" "$work/tests/"
	server_dir "$tap_out"
}

# False if it failed.  A file may fail without a test that failed: by dying, say.
tap_file() {				# NAME LOG [PATH]
	(cd "$tap_out" && as_server timeout --foreground "$time_limit" env "PATH=${3:-$PATH}" \
		"PG_REGRESS=$pgxs_dir/src/test/regress/pg_regress" \
		"TESTDIR=$tap_out" "TESTDATADIR=$tap_out/tmp_check" "TESTLOGDIR=$tap_out/tmp_check/log" \
		prove -v -I "$pgxs_dir/src/test/perl" -I "$work/tests/t" "$work/tests/t/$1.pl" \
		</dev/null >"$2" 2>&1)
}

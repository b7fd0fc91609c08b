# shellcheck shell=bash disable=SC2154
# Counting tests, and showing what came of them.

passed=0
failed=0

# Count, and say in a line, what a suite came to.
tally() {					# SUITE PASSED FAILED
	local colour=$green
	[ "$3" -eq 0 ] || colour=$red
	printf '%s%-10s %d passed, %d failed%s\n' "$colour" "$1" "$2" "$3" "$plain"
	passed=$((passed + $2))
	failed=$((failed + $3))
}

# A run of another runner, shown as it goes, and counted with our own.  One that
# exits with 2 could not be done, and counts as nothing.
sub_run() {					# NAME=VALUE... PROGRAM
	local log last status=0
	log=$(mktemp)
	env "$@" 2>&1 | tee "$log" || status=$?
	last=$(tail -n 1 "$log")
	rm -f "$log"
	[ "$status" -ne 2 ] || return 2
	if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
	else
		tally run 0 1
	fi
}

# What cannot be had here counts neither as passed nor as failed.
skipped=0

finish() {
	[ "$failed" -eq 0 ] && [ "$passed" -eq 0 ] && [ "$skipped" -eq 0 ] && failed=1 && say "no test was run"
	say "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
}

count() { grep -cE "$1" "$2" || true; }

# Lines of TAP at the outermost level; a failure that is a "todo" is none.
count_ok() { grep -E '^(not )?ok +[^ ]' "$1" | grep -cE '^ok|# TODO' || true; }
count_not_ok() { grep -E '^not ok +[^ ]' "$1" | grep -vcE '# TODO' || true; }

indent() { sed -u 's/^/  /'; }

# What pg_regress has to say besides the tests, when all goes well.
without_chatter() {
	sed -u -E '/^$|^#? ?(=====|All [0-9]|\(?using postmaster)|^(SET|(CREATE|DROP|ALTER) (DATABASE|EXTENSION))$/d'
}

# A crash explains more than the diffs that it leaves.
show_crashes() {			# LOG
	grep -E 'PANIC|TRAP: |was terminated by signal|could not load library' "$1" | head -n 20 | indent || true
}

keep_results() {			# SUITE FOLDER
	local to=$source_dir/build/${RESULTS:-results}/$1
	if rm -rf "$to" 2>/dev/null && mkdir -p "$to" 2>/dev/null; then
		# Only what a person would look at: no data folders, no sockets.
		(cd "$2" && find . -type f \( -name '*.out' -o -name '*.diffs' -o -name '*.log' -o -name 'regress_log_*' \) \
			-exec cp --parents -t "$to" {} +)
		say "  ${dim}outputs and logs: ${to#"$source_dir"/}$plain"
	fi
}

# shellcheck shell=bash disable=SC2154
# Instructions that a backend executes, counted by valgrind's callgrind; they
# repeat where times do not.
#
# callgrind_program    a program to run in place of postgres (cluster_resume)
# callgrind_mark       a statement that ends a part of a backend's profile
# callgrind_take NAME  after a session with four marks: keep its profiles as
#                      $work/profiles/NAME.base (what lies between the second mark
#                      and the third) and NAME (between the third and the fourth)
# callgrind_total NAME              instructions between the last two marks, less the mark
# callgrind_within NAME FUNCTION    of them, those in a function and what it calls

# shellcheck disable=SC2034 # for who sources this
callgrind_mark='SELECT pg_backend_pid()'

callgrind_program() {
	server_dir "$work/run/callgrind"
	mkdir -p "$work/profiles"
	cat >"$work/callgrind" <<-END
		#!/bin/sh
		exec valgrind -q --tool=callgrind --dump-before=pg_backend_pid \
			--callgrind-out-file=$work/run/callgrind/%p --log-file=$work/run/callgrind/log \
			$bindir/postgres "\$@"
	END
	chmod 0755 "$work/callgrind"
	echo "$work/callgrind"
}

# A backend's profiles are PID.1, PID.2, ..., and PID when it ends.
callgrind_take() {
	local files=("$work"/run/callgrind/*.4)
	# shellcheck disable=SC2015 # die does not return
	[ ${#files[@]} -eq 1 ] && [ -f "${files[0]}" ] || die "no profile of one session: ${files[*]}"
	mv "${files[0]%.4}.3" "$work/profiles/$1.base"
	mv "${files[0]}" "$work/profiles/$1"
	find "$work/run/callgrind" -type f ! -name log -delete
}

callgrind_sum() { awk '/^(summary|totals):/ { n = $2 } END { printf "%d\n", n }' "$work/profiles/$1"; }

callgrind_total() { echo $(($(callgrind_sum "$1") - $(callgrind_sum "$1.base"))); }

callgrind_of() {			# FILE FUNCTION
	callgrind_annotate --inclusive=yes --threshold=100 "$work/profiles/$1" 2>/dev/null |
		awk -v name=":$2 " '!n && index($0 " ", name) { n = $1; gsub(",", "", n) } END { printf "%d\n", n }'
}

callgrind_within() { echo $(($(callgrind_of "$1" "$2") - $(callgrind_of "$1.base" "$2"))); }

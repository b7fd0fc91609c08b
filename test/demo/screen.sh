# shellcheck shell=bash disable=SC2034,SC2154
# What the demo shows on the screen: sentences, SQL, and what came back.
#
# session_open NAME      a psql that stays connected
# run NAME SQL           show the SQL, run it there, show what came back;
#                        $reply holds it, $milliseconds the time of each statement
# ask SQL                a value, not shown
# expect WHAT GOT WANT   say whether the demo kept its word

declare -A session_in session_out
broken=0

heading() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
tell() { printf '%s\n' "$@"; }

session_open() {
	local name=$1 to from
	mkfifo "$work/$name.in" "$work/$name.out"
	cluster_psql demo -d shop -v query="$query" -v ON_ERROR_STOP=0 -P null=NULL \
		<"$work/$name.in" >"$work/$name.out" 2>&1 &
	exec {to}>"$work/$name.in" {from}<"$work/$name.out"
	session_in[$name]=$to
	session_out[$name]=$from
	# The first contact costs what it costs; it is not what is measured.
	session_send "$name" 'SELECT count(*) FROM arcache_stats;' '\timing on'
}

# Send lines and collect what comes back in $reply.
session_send() {
	local name=$1 line
	shift
	printf '%s\n' "$@" '\echo :end-of-reply:' >&"${session_in[$name]}"
	reply=
	while IFS= read -r -t 120 line <&"${session_out[$name]}"; do
		[ "$line" != ":end-of-reply:" ] || return 0
		reply+=$line$'\n'
	done
	die "the session \"$name\" does not answer; it said: $reply"
}

run() {
	local name=$1 line prompt="$1> "
	while IFS= read -r line; do
		printf '  %s%s%s%s%s\n' "$dim" "$prompt" "$plain$cyan" "$line" "$plain"
		prompt=$(printf '%*s' ${#prompt} '')
	done <<<"$2"
	session_send "$name" "$2"
	mapfile -t milliseconds < <(sed -nE 's/^Time: ([0-9.]+) ms.*/\1/p' <<<"$reply")
	sed -E -e '/^$/d' -e 's/^/  /' -e "s/^(  Time: .*)/$dim\\1$plain/" <<<"$reply"
}

ask() { cluster_psql demo -d shop -v query="$query" -At <<<"$1"; }

expect() {
	if [ "$2" = "$3" ]; then
		printf '  %s-> %s: %s%s\n' "$green" "$1" "$2" "$plain"
	else
		printf '  %s-> %s: %s, but it should be %s%s\n' "$red" "$1" "$2" "$3" "$plain"
		broken=$((broken + 1))
	fi
}

# TABLE ROWS: load in steps, and show how far it is.
load_table() {
	local table=$1 rows=$2 step=50000 done=0 bar
	while [ "$done" -lt "$rows" ]; do
		cluster_psql demo -d shop -o /dev/null -v table="$table" \
			-v first=$((done + 1)) -v last=$((done + step)) -f "$source_dir/test/demo/load.sql"
		done=$((done + step))
		bar=$(printf '%*s' $((done * 30 / rows)) '' | tr ' ' '#')
		if [ -t 1 ]; then
			printf '\r  %-10s [%-30s] %7d rows' "$table" "$bar" "$done"
		fi
	done
	if [ -t 1 ]; then
		echo
	else
		printf '  %-10s [%-30s] %7d rows\n' "$table" "$bar" "$done"
	fi
}

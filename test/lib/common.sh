# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by all scripts below test/: strict mode, messages, and the private
# folder in which a run takes place.
#
#   $source_dir   this source tree; read only, but for its build/ folder
#   $work         the run's own folder, removed when it ends:
#                   image/   the server with arcache installed (build.sh)
#                   run/     what the server's user writes: data, sockets, results
#
# $work belongs to whoever called us and is open to read; $work/run belongs to
# the user who runs servers and tests, and is closed to all others, because a
# private server trusts whoever reaches its socket.

set -euo pipefail
umask 022
export LC_ALL=C.UTF-8
unset PGDATA PGHOST PGPORT PGUSER PGDATABASE PGSERVICE PGSERVICEFILE PGPASSFILE
# We call make again, for our own purposes.
unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Colours only for eyes.
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
	bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' cyan=$'\e[36m' plain=$'\e[0m'
else
	bold='' dim='' red='' green='' cyan='' plain=''
fi
export bold dim red green cyan plain

say() { printf '%s\n' "$*"; }
die() {
	printf '%s\n' "${0##*/}: $*" >&2
	exit 1
}

# A server refuses to run as root, so root lends it to another user.
server_user=$(id -un)
if [ "$(id -u)" -eq 0 ]; then
	server_user=
	for user in postgres nobody; do
		if id "$user" >/dev/null 2>&1; then
			server_user=$user
			break
		fi
	done
	[ -n "$server_user" ] || die "run as root, this needs a user postgres or nobody to run servers as"
fi

# Run a program as the server's user, in the run's folder.
as_server() {
	local home=(env "HOME=$work/run" "TMPDIR=$work/run")
	if [ "$(id -u)" -eq 0 ]; then
		runuser -u "$server_user" -- "${home[@]}" "$@"
	else
		"${home[@]}" "$@"
	fi
}

# May that user read what lies in this folder?  A root's home is closed, for one.
server_may_enter() {		# FOLDER
	if [ "$(id -u)" -eq 0 ]; then
		runuser -u "$server_user" -- test -x "$1"
	else
		[ -x "$1" ]
	fi
}

# Make a folder that the server's user may write, inside $work/run.
server_dir() {
	mkdir -p "$1"
	if [ "$(id -u)" -eq 0 ]; then
		chown "$server_user" "$1"
	fi
	chmod 0700 "$1"
}

# What other files want done before $work goes.
at_end=()

# Run a command beside others, at most JOBS at a time; "wait" waits for the last.
# Each is a group of processes, which does not outlive us.
side_by_side() {			# COMMAND ARGUMENT...
	while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-2}" ]; do
		wait -n || true
	done
	set -m
	"$@" </dev/null &
	set +m
}

# A test ends its servers when it is told to end, which takes it a moment.
end_jobs() {
	local job i
	for job in $(jobs -p); do
		kill -TERM -- "-$job" 2>/dev/null || continue
		for ((i = 0; i < 300; i++)); do
			kill -0 -- "-$job" 2>/dev/null || break
			sleep 0.1
		done
	done
}
at_end+=(end_jobs)

# $work has a short name, because the path of a socket has at most 107 bytes.
work_begin() {
	work=$(mktemp -d /tmp/arcache.XXXXXX)
	trap work_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	chmod 0755 "$work"
	server_dir "$work/run"
	cd "$work"
}

work_end() {
	local status=$?
	trap '' INT TERM HUP
	local hook
	for hook in "${at_end[@]}"; do
		"$hook" || true
	done
	cd /
	if [ -n "${KEEP:-}" ]; then
		say "kept: $work" >&2
	else
		rm -rf "$work"
	fi
	exit "$status"
}

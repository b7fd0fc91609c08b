# shellcheck shell=bash disable=SC2034,SC2154
# Private clusters, run by the server's user, reached through a socket only, or also
# through the loopback interface by who knows the password.
#
# cluster_start NAME CONFIG   create and start; CONFIG is appended to its settings
# cluster_resume NAME [PROGRAM]  start one that was stopped, PROGRAM in place of postgres
# cluster_stop NAME
# cluster_socket NAME         the folder to give as a host
# cluster_port NAME           the port; cluster_tcp[NAME]=PORT before the start chooses one,
#                             and lets it listen on 127.0.0.1
# cluster_log NAME            the server's log
# cluster_psql NAME ...       psql as the superuser postgres
#
# SERVER_PROGRAM=/path is run in the place of the server's own program.

clusters=()
declare -A cluster_tcp=()
at_end+=(cluster_stop_all)

cluster_socket() { echo "$work/run/$1.s"; }
cluster_port() { echo "${cluster_tcp[$1]:-5432}"; }
cluster_log() { echo "$work/run/$1.log"; }

cluster_start() {
	local name=$1 config=$2
	local data=$work/run/$name template=$work/run/template
	# initdb takes seconds: once for all clusters of a run.
	if ! [ -d "$template" ]; then
		as_server "$bindir/initdb" -D "$template" -U postgres -A trust --locale=C --encoding=UTF8 \
			--no-sync --no-instructions >"$work/initdb.log" 2>&1 || {
			cat "$work/initdb.log"
			return 1
		}
	fi
	as_server cp -a "$template" "$data" && server_dir "$(cluster_socket "$name")" || return
	{
		cat "$config"
		echo "listen_addresses = '${cluster_tcp[$name]:+127.0.0.1}'"
		echo "unix_socket_directories = '$(cluster_socket "$name")'"
		echo "port = $(cluster_port "$name")"
	} | as_server tee -a "$data/postgresql.conf" >/dev/null || return
	if [ -n "${cluster_tcp[$name]:-}" ]; then
		as_server sed -i -E '/^host/s/trust$/scram-sha-256/' "$data/pg_hba.conf" || return
	fi
	clusters+=("$name")
	cluster_resume "$name"
}

cluster_resume() {
	local name=$1 program=${2:-${SERVER_PROGRAM:-$bindir/postgres}}
	as_server "$bindir/pg_ctl" -D "$work/run/$name" -p "$program" -l "$(cluster_log "$name")" -w -t 120 -s start || {
		tail -n 50 "$(cluster_log "$name")"
		return 1
	}
}

# pg_ctl signals the process whose id the cluster itself wrote down.
cluster_stop() {
	local name=$1
	if [ -f "$work/run/$name/postmaster.pid" ]; then
		as_server "$bindir/pg_ctl" -D "$work/run/$name" -m fast -w -t 120 -s stop ||
			as_server "$bindir/pg_ctl" -D "$work/run/$name" -m immediate -w -t 30 -s stop
	fi
}

cluster_stop_all() {
	local name
	for name in "${clusters[@]}"; do
		cluster_stop "$name"
	done
}

cluster_psql() {
	local name=$1
	shift
	psql -X -q -v ON_ERROR_STOP=1 -P pager=off -h "$(cluster_socket "$name")" -p "$(cluster_port "$name")" -U postgres "$@"
}

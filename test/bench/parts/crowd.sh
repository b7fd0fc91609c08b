# shellcheck shell=bash disable=SC2154
# Many clients at once: on hot keys, on a full arena under churn, and on one key that nobody
# has.  What they wait for is sampled from pg_stat_activity meanwhile.

crowd_clients=(1 2 8 32 64)

part_crowd() {
	local round clients
	crowd_server crowd 512MB
	crowd_server churn 16MB
	sql crowd "SELECT count(arcache_set('key:' || i, to_jsonb(repeat('x', 100)))) FROM generate_series(1, 1000) i" >/dev/null
	for ((round = 1; round <= rounds; round++)); do
		for clients in "${crowd_clients[@]}"; do
			each_round $round crowd_rate clients/"$clients" get row churn
		done
		for clients in 16 64 256; do
			crowd_cold $clients "$round"
		done
		progress "crowd: round $round of $rounds"
	done
	crowd_figures
	cluster_stop crowd
	cluster_stop churn
}

crowd_server() {			# NAME MEMORY
	bench_server "$1" "$2"
	cluster_psql "$1" -d postgres -f "$bench_dir/lib/overhead.sql" -f "$bench_dir/lib/crowd.sql" >/dev/null
}

# What a client does, as a script of pgbench.  On the small arena the keys' results take
# several times the room there is.
crowd_script() {			# CONTENDER
	case $1 in
		get) printf '%s\n' '\set id random(1, 1000)' "SELECT arcache_get('key:' || :id);" ;;
		row) printf '%s\n' '/*+ arcache */ SELECT * FROM tracked.wide WHERE id = 7;' ;;
		churn) printf '%s\n' '\set id random_zipfian(1, 50000, 1.05)' \
			"SELECT arcache_get_or_set('wide:' || :id, 'SELECT * FROM tracked.wide WHERE id BETWEEN \$1 AND \$1 + 9', params => ARRAY[:id::text]);" ;;
	esac
}

# CASE is clients/N.
crowd_rate() {				# CASE CONTENDER
	local clients=${1#*/} server=crowd sampler looks waits
	[ "$2" != churn ] || server=churn
	crowd_script "$2" >"$work/script"
	sql $server "CALL sample_waits(interval '$seconds s')" &
	sampler=$!
	sample "$1" "$2" rate "$(crowd_pgbench $server prepared "$clients" -T "$seconds" | sed -nE 's/^tps = ([0-9.]+).*/\1/p')"
	wait $sampler
	read -r looks waits < <(sql $server "SELECT sum(active), sum(waiting) FROM waits" -F ' ')
	sample "$1" "$2" looks "$looks"
	sample "$1" "$2" waits "$waits"
}

crowd_pgbench() {			# SERVER PROTOCOL CLIENTS ARGUMENT...
	pgbench -n -h "$(cluster_socket "$1")" -p "$(cluster_port "$1")" -U postgres -M "$2" -c "$3" \
		-j $(($3 < 2 ? $3 : 2)) "${@:4}" -f "$work/script" postgres 2>"$work/pgbench.log" || {
		cat "$work/pgbench.log" >&2
		die "cannot measure $1"
	}
}

# All at once ask for what is not there: how often is it computed?
crowd_cold() {				# CLIENTS ROUND
	local query
	query="SELECT t1.category, sum(t6.price) FROM tracked.t1 JOIN tracked.t2 ON t2.id = t1.next JOIN tracked.t6 ON t6.id = t2.next GROUP BY 1"
	echo "SELECT arcache_get_or_set('cold:$1:$2', '$query');" >"$work/script"
	sql crowd 'SELECT arcache_stats_reset()' >/dev/null
	crowd_pgbench crowd simple "$1" -t 1 >/dev/null
	sample cold/"$1" get_or_set fills "$(sql crowd 'SELECT fills FROM arcache_stats')"
}

crowd_figures() {
	local clients contender
	for clients in "${crowd_clients[@]}"; do
		for contender in get row churn; do
			figure clients/"$clients" $contender rate 1/s clients/8@$contender
			figure clients/"$clients" $contender looks "busy backends seen"
			figure clients/"$clients" $contender waits "of them waiting for arcache"
		done
	done
	for clients in 16 64 256; do
		figure cold/$clients get_or_set fills fills
		aim "$clients clients on one cold key: fills" "<= 1" fills <"$(sample_file cold/$clients get_or_set fills)"
	done
	aim_ratio "64 clients against 8, arcache_get" ">= 0.9" clients/64 get rate clients/8@get
	aim_ratio "64 clients against 8, transparent" ">= 0.9" clients/64 row rate clients/8@row
	cat "$(sample_file clients/64 get waits)" "$(sample_file clients/64 row waits)" | sort -n | tail -n 1 |
		aim "waits for arcache's locks seen at 64 clients on hits" "<= 0" waits
}

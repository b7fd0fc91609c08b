# shellcheck shell=bash disable=SC2154
# Many clients at once: on hot keys, on a full arena under churn, and on one key that nobody
# has.  What they wait for is sampled from pg_stat_activity meanwhile.

crowd_clients=(1 2 8 32 64)

part_crowd() {
	local round clients
	[ -z "$short" ] || crowd_clients=(1 8)
	crowd_server crowd 512MB
	crowd_server churn 16MB
	sql crowd "SELECT count(arcache_set('key:' || i, to_jsonb(repeat('x', 100)))) FROM generate_series(1, 1000) i" >/dev/null
	for ((round = 1; round <= rounds; round++)); do
		for clients in "${crowd_clients[@]}"; do
			each_round $round crowd_hits clients/"$clients" select-1 get row
			crowd_churn clients/"$clients" churn
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

crowd_text() {				# CONTENDER
	case $1 in
		select-1) echo 'SELECT 1' ;;
		get) echo "SELECT arcache_get(\$1)" ;;
		row) echo '/*+ arcache */ SELECT * FROM tracked.wide WHERE id = 7' ;;
	esac
}

# Once all clients have warmed up: a new backend is busy with its own caches at first, and
# takes a lock to be counted.  CASE is clients/N.
crowd_hits() {				# CASE CONTENDER
	local answers took server warm=1
	[ "${1#*/}" -le 8 ] || warm=3
	crowd_sample crowd $warm &
	read -r answers took server _ < <("$work/load" -p postgres -M prepared -c "${1#*/}" -k 1000 -w $warm -t "$seconds" \
		-a "host=$(cluster_socket crowd) port=$(cluster_port crowd) user=postgres dbname=postgres" -q "$(crowd_text "$2")") ||
		die "cannot measure $1 $2"
	wait $!
	sample "$1" "$2" rate "$(calc "$answers / $took")"
	sample "$1" "$2" server_ns "$(calc "$server / $answers")"
	crowd_waits crowd "$@"
}

# On the small arena the results of the keys that are asked for take several times the room
# there is.
crowd_churn() {				# CASE CONTENDER
	cat >"$work/script" <<-'END'
		\set id random_zipfian(1, 50000, 1.05)
		SELECT arcache_get_or_set('wide:' || :id, 'SELECT * FROM tracked.wide WHERE id BETWEEN $1 AND $1 + 9', params => ARRAY[:id::text]);
	END
	crowd_sample churn 0 &
	sample "$1" "$2" rate "$(crowd_pgbench churn prepared "${1#*/}" -T "$((seconds + 1))" | sed -nE 's/^tps = ([0-9.]+).*/\1/p')"
	wait $!
	crowd_waits churn "$@"
}

# What backends wait for meanwhile: how often one was seen busy, and how often waiting for a
# lock of arcache's.  Clients begin when they are connected, so a moment later, and end so.
crowd_sample() {			# SERVER SECONDS-BEFORE
	sql "$1" "SELECT pg_sleep($2 + 0.2)" >/dev/null
	sql "$1" "CALL sample_waits(interval '$seconds s' - interval '0.2 s')"
}
crowd_waits() {				# SERVER CASE CONTENDER
	local looks waits
	read -r looks waits < <(sql "$1" "SELECT coalesce(sum(active), 0), coalesce(sum(waiting), 0) FROM waits" -F ' ')
	sample "$2" "$3" looks "$looks"
	sample "$2" "$3" waits "$waits"
	sql "$1" "SELECT DISTINCT unnest(names) FROM waits" >>"$work/crowd.names"
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
		for contender in select-1 get row churn; do
			figure clients/"$clients" $contender rate 1/s clients/8@$contender
			figure clients/"$clients" $contender server_ns ns clients/8@$contender
			figure clients/"$clients" $contender looks "busy backends seen"
			figure clients/"$clients" $contender waits "of them waiting for arcache"
		done
	done
	for clients in 16 64 256; do
		figure cold/$clients get_or_set fills fills
		aim "$clients clients on one cold key: fills" "<= 1" fills <"$(sample_file cold/$clients get_or_set fills)"
	done
	say "waited for, mostly under churn: $(sort -u "$work/crowd.names" | paste -sd' ')"
	aim_ratio "64 clients against 8, arcache_get" ">= 0.9" clients/64 get rate clients/8@get
	aim_ratio "64 clients against 8, transparent" ">= 0.9" clients/64 row rate clients/8@row
	[ -z "$short" ] || return 0
	paste <(ratio_of clients/64 get rate clients/8@get) <(ratio_of clients/64 select-1 rate clients/8@select-1) |
		awk '{ print $1 / $2 }' | aim "the same ratio, arcache_get's to that of SELECT 1" ">= 0.9"
	cat "$(sample_file clients/64 get waits)" "$(sample_file clients/64 row waits)" | sort -n | tail -n 1 |
		aim "waits for arcache's locks seen at 64 clients on hits" "<= 0" waits
}

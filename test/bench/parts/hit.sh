# shellcheck shell=bash disable=SC2034,SC2154
# A hit as a client sees it, beside what the server, or another one, does without a cache.
#
# Statements are run by pgbench, prepared and with the simple protocol, by one client and
# by eight; values by key are asked for by load, which speaks to all servers in the same
# loop.  The backend's processor time is measured by load, too: pgbench does not tell it.

hit_keys=10000 hit_bytes=1000

hit_setup() {
	cluster_tcp[bench]=$(free_port)
	bench_server bench 512MB
	cluster_psql bench -d postgres -f "$bench_dir/lib/overhead.sql" -f "$bench_dir/lib/hit.sql" \
		-v keys=$hit_keys -v bytes=$hit_bytes >/dev/null
	PGPASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	export PGPASSWORD
	cluster_psql bench -d postgres -v password="$PGPASSWORD" <<<"ALTER ROLE postgres PASSWORD :'password'"
	hit_others
	hit_statements
	sql bench 'SELECT count((arcache_row(NULL::tracked.kv, key)).key) FROM plain.kv' >/dev/null
}

hit_others() {
	local address
	has_redis='' has_memcached='' has_pgpool=''
	redis_address='' redis_socket='' memcached_address='' memcached_socket=''
	if redis_start; then has_redis=yes; else say "no Redis: left out"; fi
	if memcached_start; then has_memcached=yes; else say "no memcached: left out"; fi
	if pgpool_start bench; then has_pgpool=yes; else say "no Pgpool-II: left out"; fi
	[ -z "$has_redis" ] || "$work/load" -p redis -a "$redis_socket" -S -k $hit_keys -b $hit_bytes
	for address in ${has_memcached:+"$memcached_socket" "$memcached_address"}; do
		"$work/load" -p memcached -a "$address" -S -k $hit_keys -b $hit_bytes
	done
}

# -- statements -------------------------------------------------------------------

declare -A hit_text

hit_statements() {
	local row='7, 8, 7, 7, 7::bigint, 1.0000000000000000' at="'2025-01-01 00:07:00+00'::timestamptz"
	local case
	hit_text=(
		[select-1]='SELECT 1'
		[row:constant]="SELECT $row, $at, false, 'text 7', 'xxxxxxx'"
		[row:computed]='SELECT * FROM tracked.wide WHERE id = 7'
		[rows-1000:constant]="SELECT g, 8, 7, 7, 7::bigint, 1.0000000000000000, $at, false, 'text 7', 'xxxxxxxxxxxxxxxxxxx' FROM generate_series(1, 1000) g"
		[rows-1000:computed]='SELECT * FROM tracked.wide WHERE id <= 1000'
		[join:constant]=$(sql bench 'SELECT join_as_values()')
		[join:computed]=$(sql bench 'SELECT join_text()')
		[join:cheap]='/*+ arcache */ SELECT * FROM tracked.join_result'
	)
	for case in row rows-1000 join; do
		hit_text[$case:hit]="/*+ arcache */ ${hit_text[$case:computed]}"
		hit_text[$case:pgpool]=${hit_text[$case:computed]}
	done
}

hit_text_of() { echo "${hit_text[${1%%/*}:$2]:-${hit_text[$2]:-}}"; }	# CASE CONTENDER

# -- statements, by pgbench and load ------------------------------------------------

# Who is asked, as whom: sets host, port, user.
hit_where() {				# CONTENDER
	host=$(cluster_socket bench) port=$(cluster_port bench) user=postgres
	case $1 in
		constant | computed | select-1) user=uncached ;;
		pgpool) user=uncached host=$pgpool_socket port=$pgpool_port ;;
	esac
}

# CASE is SHAPE/PROTOCOL/CLIENTS.
hit_pgbench() {				# CASE CONTENDER
	local protocol clients host port user rate
	IFS=/ read -r _ protocol clients <<<"$1"
	hit_where "$2"
	hit_text_of "$1" "$2" >"$work/script"
	rate=$(pgbench -n -h "$host" -p "$port" -U "$user" -M "$protocol" -c "$clients" -j 1 -T "$seconds" \
		-f "$work/script" postgres 2>"$work/pgbench.log" | sed -nE 's/^tps = ([0-9.]+).*/\1/p') ||
		{ cat "$work/pgbench.log"; die "cannot measure $1 $2"; }
	sample "$1" "$2" rate "$rate"
	if [ "$clients" = 1 ] && [ "$2" != pgpool ]; then
		hit_load "$1" "$2" postgres "host=$host port=$port user=$user dbname=postgres" \
			-M "$protocol" -q "$(hit_text_of "$1" "$2")"
	fi
}

# Adds the server's processor time for an answer, and, for values, the rate.  New backends
# are given a moment to fill their own caches, which of eight would take a good part of the time.
hit_load() {				# CASE CONTENDER PROTOCOL ADDRESS ARGUMENT...
	local answers took server
	read -r answers took server _ < <("$work/load" -p "$3" -a "$4" -w 0.3 -t "$(calc "$seconds / 2")" "${@:5}") ||
		die "cannot measure $1 $2"
	sample "$1" "$2" server_ns "$(calc "$server / $answers")"
	[[ $1 != value/* ]] || sample "$1" "$2" rate "$(calc "$answers / $took")"
}

# -- values, by load -----------------------------------------------------------------

# CASE is value/unix|tcp/CLIENTS.
hit_value() {				# CASE CONTENDER
	local way clients address redis memcached text=''
	IFS=/ read -r _ way clients <<<"$1"
	if [ "$way" = tcp ]; then
		address=127.0.0.1 redis=$redis_address memcached=$memcached_address
	else
		address=$(cluster_socket bench) redis=$redis_socket memcached=$memcached_socket
	fi
	address="host=$address port=$(cluster_port bench) user=postgres dbname=postgres"
	case $2 in
		redis) hit_load "$@" redis "$redis" -k $hit_keys -b $hit_bytes -c "$clients" -P "$(others_pid redis)" ;;
		memcached) hit_load "$@" memcached "$memcached" -k $hit_keys -b $hit_bytes -c "$clients" -P "$(others_pid "memcached-$way")" ;;
		arcache_get) text="SELECT arcache_get(\$1)" ;;
		arcache_row) text="SELECT * FROM arcache_row(NULL::tracked.kv, \$1::text)" ;;
		table) text="SELECT value FROM plain.kv WHERE key = \$1" ;;
		constant) text="SELECT '\"$(printf "%${hit_bytes}s" '' | tr ' ' x)\"'::jsonb, \$1::text" ;;
	esac
	[ -z "$text" ] ||
		hit_load "$@" postgres "$address" -M prepared -k $hit_keys -b "$([ "$2" = constant ] && echo 1 || echo $hit_bytes)" \
			-c "$clients" -q "$text"
}

# -- the part ---------------------------------------------------------------------------

# Contenders of one shape only.
declare -A hit_more=([row]=select-1 [join]=cheap)

part_hit() {
	local round protocol clients shape way values rows
	local protocols=(prepared simple) shapes=(row rows-1000 join) ways=(unix tcp) crowds=(1 8)
	[ -z "$short" ] || { protocols=(prepared) shapes=(row) ways=(unix) crowds=(1); }
	hit_setup
	values=(constant table arcache_get arcache_row ${has_redis:+redis} ${has_memcached:+memcached})
	rows=(constant computed hit ${has_pgpool:+pgpool})
	for ((round = 1; round <= rounds; round++)); do
		for protocol in "${protocols[@]}"; do
			for clients in "${crowds[@]}"; do
				for shape in "${shapes[@]}"; do
					# shellcheck disable=SC2086 # a word or none
					each_round $round hit_pgbench "$shape/$protocol/$clients" "${rows[@]}" ${hit_more[$shape]:-}
				done
			done
		done
		for way in "${ways[@]}"; do
			for clients in "${crowds[@]}"; do
				each_round $round hit_value "value/$way/$clients" "${values[@]}"
			done
		done
		progress "hit: round $round of $rounds"
	done
	hit_check_pgpool
	hit_figures
	others_stop
	cluster_stop bench
}

# It must have answered from its cache.
hit_check_pgpool() {
	local hits
	[ -n "$has_pgpool" ] || return 0
	hits=$(psql -X -At -h "$pgpool_socket" -p "$pgpool_port" -U uncached -d postgres -c 'SHOW pool_cache' | cut -d'|' -f1)
	[ "$hits" -gt 100 ] || die "Pgpool-II did not answer from its cache"
}

hit_figures() {
	local case contender of
	for case in row rows-1000 join; do
		for of in prepared/1 prepared/8 simple/1 simple/8; do
			for contender in select-1 constant computed cheap pgpool hit; do
				figure $case/$of $contender rate 1/s constant
				figure $case/$of $contender server_ns ns constant
			done
		done
	done
	for of in unix/1 unix/8 tcp/1 tcp/8; do
		for contender in constant table arcache_row arcache_get redis memcached; do
			figure value/$of $contender rate 1/s redis
			figure value/$of $contender server_ns ns redis
		done
	done
	aim_ratio "one row, prepared: rate against a constant row" ">= 0.90" row/prepared/1 hit rate constant
	aim_ratio "the same, 8 clients" ">= 0.90" row/prepared/8 hit rate constant
	aim_ratio "its processor time against the same" "<= 1.25" row/prepared/1 hit server_ns constant
	aim_ratio "join of 20 ms: rate against as many constant rows" ">= 0.85" join/prepared/1 hit rate constant
	aim_ratio "the same, 8 clients" ">= 0.85" join/prepared/8 hit rate constant
	aim_ratio "independence: join against a cheap query of the same rows" ">= 0.95" join/prepared/1 hit rate cheap
	aim_ratio "one row, prepared: rate against the lookup by primary key" ">= 1.05" row/prepared/1 hit rate computed
	for of in unix/1 unix/8 tcp/1 tcp/8; do
		aim_ratio "arcache_get against Redis GET, $of" ">= 1.0" value/$of arcache_get rate redis
	done
	for case in {row,rows-1000,join}/{prepared,simple}/{1,8}; do
		aim_ratio "against Pgpool-II's cache, $case" ">= 2" "$case" hit rate pgpool
	done
}

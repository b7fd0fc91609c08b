# shellcheck shell=bash disable=SC2154
# A hit inside the server: one statement that calls arcache_get for each of many keys,
# beside one that looks each up in an UNLOGGED table, and beside one that does nothing with
# the keys, whose time is taken off both; and a statement in a PL/pgSQL loop.

inside_sizes=(16 100 1000 4000 16000 65000)

# With values of 64 kB not as many fit.
inside_keys() { calc "int($1 < 1000 ? 100000 : 100000000 / $1)"; }	# BYTES

part_inside() {
	local size round
	[ -z "$short" ] || { inside_sizes=(100) inside_calls=10000; }
	bench_server inside 512MB
	cluster_psql inside -d postgres -f "$bench_dir/lib/overhead.sql" -f "$bench_dir/lib/inside.sql" >/dev/null
	for size in "${inside_sizes[@]}"; do
		sql inside "CALL inside_load($size, $(inside_keys "$size"), $inside_calls)"
		for ((round = 1; round <= rounds; round++)); do
			each_round $round inside_time "get/uniform/$size" nothing arcache_get table
			each_round $round inside_time "get/zipf/$size" nothing arcache_get table
		done
		progress "inside: values of $size bytes"
	done
	for ((round = 1; round <= rounds; round++)); do
		each_round $round inside_time loop/row constant computed hit
	done
	inside_instructions
	inside_figures
	cluster_stop inside
}

inside_calls=${INSIDE_CALLS:-1000000}

# A look into a table takes ten times as long, and needs no more digits.
inside_calls_of() {			# CASE CONTENDER
	case $1/$2 in
		get/*/16/arcache_get | get/*/100/arcache_get | get/*/16/nothing | get/*/100/nothing) echo "$inside_calls" ;;
		*) echo $((inside_calls / 10)) ;;
	esac
}

# The statement, of so many calls.
inside_text() {				# CASE CONTENDER CALLS
	local keys=uniform_keys
	[[ $1 != */zipf/* ]] || keys=zipf_keys
	case $2 in
		nothing) echo "SELECT count(jsonb_typeof(one)) FROM (SELECT key, one FROM $keys LIMIT $3) k" ;;
		arcache_get) echo "SELECT count(jsonb_typeof(arcache_get(key))) FROM (SELECT key, one FROM $keys LIMIT $3) k" ;;
		table) echo "SELECT count(jsonb_typeof(spi_get(key))) FROM (SELECT key, one FROM $keys LIMIT $3) k" ;;
		constant) echo "SELECT loop_constant($3)" ;;
		computed) echo "SELECT loop_computed($3)" ;;
		hit) echo "SELECT loop_hit($3)" ;;
	esac
}

# The backend's processor time for a call, after a run that warms it.
inside_time() {				# CASE CONTENDER
	local calls text ns
	calls=$(inside_calls_of "$1" "$2")
	text=$(inside_text "$1" "$2" "$calls")
	ns=$(cluster_psql inside -d postgres -At <<-END | tail -n 1
		$(inside_text "$1" "$2" $((calls / 10)));
		SELECT public.mark();
		$text;
		SELECT public.mark();
		SELECT (ns - lag(ns) OVER (ORDER BY id)) / $calls.0 FROM public.mark ORDER BY id DESC LIMIT 1
	END
	)
	sample "$1" "$2" ns "$ns"
}

# Under callgrind: what lies between marks, less the empty part, for a call.
inside_instructions() {
	local program size case contender
	[ -n "$has_valgrind" ] || return 0
	program=$(callgrind_program)
	cluster_stop inside
	cluster_resume inside "$program" || die "cannot go on without a server under callgrind"
	for size in 100 16000; do
		sql inside "CALL inside_load($size, 1000, 5000)"
		find "$work/run/callgrind" -type f ! -name log -delete
		for contender in nothing arcache_get table; do
			inside_count get/uniform/$size $contender 5000
		done
	done
	for contender in constant computed hit; do
		inside_count loop/row $contender 2000
	done
	keep_profiles
}

inside_count() {			# CASE CONTENDER CALLS
	local name=${1//\//.}.$2
	cluster_psql inside -d postgres -At >/dev/null <<-END
		$(inside_text "$1" "$2" 100);
		$callgrind_mark;
		$callgrind_mark;
		$callgrind_mark;
		$(inside_text "$1" "$2" "$3");
		$callgrind_mark;
	END
	sleep 0.1
	callgrind_take "$name"
	sample "$1" "$2" instructions "$(calc "$(callgrind_total "$name") / $3")"
}

# What is left of a call's figure without that of the statement that calls nothing.
inside_net() {				# CASE CONTENDER FIGURE
	paste "$(sample_file "$1" "$2" "$3")" "$(sample_file "$1" nothing "$3")" | awk '{ print $1 - $2 }' \
		>"$(sample_file "$1" "$2" "net_$3")"
}

inside_figures() {
	local size keys contender case figure
	for size in "${inside_sizes[@]}"; do
		for keys in uniform zipf; do
			case=get/$keys/$size
			for figure in ns instructions; do
				has_samples "$case" nothing $figure || continue
				for contender in arcache_get table; do
					inside_net "$case" $contender $figure
					figure "$case" $contender net_$figure "$figure" table
				done
			done
		done
	done
	for figure in ns instructions; do
		for contender in constant computed hit; do
			figure loop/row $contender $figure $figure computed
		done
	done
	aim "arcache_get inside the server, 100 B, uniform keys" "<= 400" ns <"$(sample_file get/uniform/100 arcache_get net_ns)"
	aim "arcache_get inside the server, 100 B, Zipf keys" "<= 400" ns <"$(sample_file get/zipf/100 arcache_get net_ns)"
	ratio_of get/uniform/100 table net_ns arcache_get | aim "a lookup through SPI against it" ">= 10" ratio
}

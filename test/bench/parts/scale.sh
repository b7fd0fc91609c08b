# shellcheck shell=bash disable=SC2154
# From a thousand entries to a million, of 100 bytes each (and ten million, if asked for):
# what an entry takes of the memory, how long a hit takes, a pattern, a clear, and a write
# to a table on which all of them depend.

part_scale() {
	local n round memory=1GB
	[ "$entries_max" -le 1000000 ] || memory=4GB
	bench_server scale $memory
	cluster_psql scale -d postgres -f "$bench_dir/lib/scale.sql" >/dev/null
	for ((n = 1000; n <= entries_max; n *= 10)); do
		for ((round = 1; round <= rounds; round++)); do
			scale_entries entries/$n $n
			scale_dependents entries/$n $n $round
		done
		progress "scale: $n entries"
	done
	scale_figures
	cluster_stop scale
}

# The milliseconds of a statement's execution, commit included.
scale_ms() { cluster_psql scale -d postgres -At -c '\timing on' -c "$1" | sed -nE 's/^Time: ([0-9.]+) ms.*/\1/p'; }

scale_entries() {			# CASE ENTRIES
	local calls=100000
	sql scale "CALL scale_load($2, NULL)"
	sample "$1" arcache overhead "$(sql scale "SELECT scale_overhead()")"
	sample "$1" arcache hit_ns "$(cluster_psql scale -d postgres -At <<-END | tail -n 1
		SELECT count(arcache_get('key:' || 1 + floor(random() * $2))) FROM generate_series(1, $calls);
		SELECT mark();
		SELECT count('key:' || 1 + floor(random() * $2)) FROM generate_series(1, $calls);
		SELECT mark();
		SELECT count(arcache_get('key:' || 1 + floor(random() * $2))) FROM generate_series(1, $calls);
		SELECT mark();
		SELECT scale_difference() / $calls
	END
	)"
	sample "$1" arcache pattern_ms "$(scale_ms "SELECT arcache_delete_pattern('key:*7')")"
	sample "$1" arcache clear_ms "$(scale_ms 'SELECT arcache_clear()')"
}

# The first write to the table ends them all; the one beside it has no dependents.  What is
# rolled back ends nothing, but lets the session get to know the tables.  After the load
# caches are cold, which whoever writes first pays for: a third table.  The two take turns.
scale_dependents() {		# CASE ENTRIES ROUND
	local first=none second=dependents one other left
	sql scale "CALL scale_load($2, 'dependents')"
	[ $(($3 % 2)) -eq 1 ] || { first=dependents second=none; }
	read -r one other < <(cluster_psql scale -d postgres -At -F' ' <<-END | tail -n 1
		BEGIN;
		INSERT INTO none VALUES (1);
		INSERT INTO dependents VALUES (1);
		ROLLBACK;
		INSERT INTO first VALUES (1);
		INSERT INTO first VALUES (1);
		SELECT mark();
		SELECT mark();
		SELECT mark();
		INSERT INTO $first VALUES (1);
		SELECT mark();
		INSERT INTO $second VALUES (1);
		SELECT mark();
		SELECT ns - lag(ns) OVER (ORDER BY id), lead(ns) OVER (ORDER BY id) - ns FROM mark ORDER BY id DESC OFFSET 1 LIMIT 1
	END
	)
	left=$(sql scale "SELECT count(arcache_get('key:' || i)) FROM generate_series(1, 1000) i")
	[ "$left" -eq 0 ] || die "a write has not ended what depends on it"
	sample "$1" $first write_ns "$one"
	sample "$1" $second write_ns "$other"
}

scale_figures() {
	local n
	for ((n = 1000; n <= entries_max; n *= 10)); do
		figure entries/$n arcache overhead "bytes an entry"
		figure entries/$n arcache hit_ns ns
		figure entries/$n arcache pattern_ms ms
		figure entries/$n arcache clear_ms ms
		figure entries/$n none write_ns ns
		figure entries/$n dependents write_ns ns none
	done
	n=$((n / 10))
	aim "memory of an entry beyond key and value, $n entries" "<= 128" bytes <"$(sample_file entries/$n arcache overhead)"
	aim_ratio "write and commit, $n dependent entries against none" "<= 1.25" entries/$n dependents write_ns none
}

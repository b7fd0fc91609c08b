# shellcheck shell=bash disable=SC2154
# On what the figures were measured.  No names of machines or of people.

version_of() { "$@" 2>&1 | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1 || true; }

describe_machine() {
	local tool
	printf 'date: %s\n' "$(date -u +%Y-%m-%d)"
	printf 'processor: %s\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort -u | paste -sd, -)"
	printf 'cores: %d\n' "$(nproc)"
	printf 'memory: %.1f GB\n' "$(awk '/^MemTotal/ { print $2 / 1048576 }' /proc/meminfo)"
	printf 'kernel: %s\n' "$(uname -sr)"
	printf 'load at the start: %s\n' "$(cut -d' ' -f1 /proc/loadavg)"
	printf 'arcache: %s\n' "$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$source_dir/arcache.control")"
	printf 'PostgreSQL: %s\n' "$("$PG_CONFIG" --version)"
	for tool in redis-server memcached /usr/sbin/pgpool valgrind gcc; do
		if command -v -- "$tool" >/dev/null; then
			printf '%s: %s\n' "${tool##*/}" "$(version_of "$tool" --version)"
		fi
	done
}

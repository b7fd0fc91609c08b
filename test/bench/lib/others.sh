# shellcheck shell=bash disable=SC2154,SC2034
# What a user might pick instead, as private servers: each in $work/run, on sockets
# there and on ports of the loopback interface that were free.
#
# redis_start             $redis_socket, $redis_address; LOAD_PASSWORD for load
# memcached_start         $memcached_socket, $memcached_address
# pgpool_start NAME       in front of the cluster NAME: $pgpool_socket, $pgpool_port
# others_pid WHAT         redis, memcached-unix, memcached-tcp, pgpool
#
# False if the program is not there.  What was started is ended with the run, by the
# id that it wrote down itself.

others=()
at_end+=(others_stop)

# (Pgpool-II ends its file with a null byte.)
others_pid() { tr -d "\0" <"$work/run/$1.pid" 2>/dev/null; }

# Nobody listens there now.
free_port() {
	local port
	for ((;;)); do
		port=$((20000 + RANDOM % 10000))
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo $port
			return
		fi
	done
}

# Until it has written its id and its socket is there.
others_wait() {				# WHAT SOCKET
	local i
	others+=("$1")
	for ((i = 0; i < 100; i++)); do
		if [ -S "$2" ] && [ -s "$work/run/$1.pid" ]; then
			return
		fi
		sleep 0.1
	done
	cat "$work/run/$1.log"
	return 1
}

others_stop() {
	local what pid
	for what in "${others[@]}"; do
		pid=$(others_pid "$what") || continue
		kill "$pid" 2>/dev/null || continue
		for ((i = 0; i < 50; i++)); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
		kill -9 "$pid" 2>/dev/null || true
	done
	others=()
}

# Its settings, with the password, come through a pipe: a command line can be read by others.
redis_start() {
	local port
	command -v redis-server >/dev/null || return
	port=$(free_port)
	redis_socket=$work/run/redis.sock redis_address=127.0.0.1:$port
	LOAD_PASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	export LOAD_PASSWORD
	cat <<-END | as_server redis-server - >"$work/run/redis.log" 2>&1 &
		bind 127.0.0.1
		port $port
		unixsocket $redis_socket
		requirepass $LOAD_PASSWORD
		pidfile $work/run/redis.pid
		daemonize no
		dir $work/run
		save ""
		appendonly no
	END
	others_wait redis "$redis_socket"
}

# It listens either here or there.
memcached_start() {
	local port
	command -v memcached >/dev/null || return
	port=$(free_port)
	memcached_socket=$work/run/memcached.sock memcached_address=127.0.0.1:$port
	as_server memcached -m 256 -c 512 -P "$work/run/memcached-unix.pid" -s "$memcached_socket" \
		>"$work/run/memcached-unix.log" 2>&1 &
	others_wait memcached-unix "$memcached_socket" || return
	as_server memcached -m 256 -c 512 -P "$work/run/memcached-tcp.pid" -U 0 -l 127.0.0.1 -p "$port" \
		>"$work/run/memcached-tcp.log" 2>&1 &
	others_wait memcached-tcp "$memcached_socket"
}

# Nothing but the cache of results: one server, no balancing, no checks.
pgpool_start() {			# CLUSTER
	local program=/usr/sbin/pgpool folder=$work/run/pgpool
	[ -x "$program" ] || return
	pgpool_socket=$folder pgpool_port=$(free_port)
	server_dir "$folder"
	cat >"$work/pgpool.conf" <<-END
		listen_addresses = ''
		port = $pgpool_port
		socket_dir = '$folder'
		pcp_listen_addresses = ''
		pcp_socket_dir = '$folder'
		pid_file_name = '$work/run/pgpool.pid'
		logdir = '$folder'
		work_dir = '$folder'
		backend_clustering_mode = 'raw'
		backend_hostname0 = '$(cluster_socket "$1")'
		backend_port0 = $(cluster_port "$1")
		backend_weight0 = 1
		backend_flag0 = 'ALWAYS_PRIMARY'
		enable_pool_hba = off
		pool_passwd = ''
		num_init_children = 16
		max_pool = 1
		health_check_period = 0
		sr_check_period = 0
		use_watchdog = off
		memory_cache_enabled = on
		memqcache_method = 'shmem'
		memqcache_total_size = 256MB
		memqcache_expire = 0
		memqcache_auto_cache_invalidation = on
		memqcache_maxcache = 1MB
		memqcache_cache_block_size = 2MB
		memqcache_oiddir = '$folder'
	END
	: >"$work/pcp.conf"
	as_server "$program" -n -f "$work/pgpool.conf" -F "$work/pcp.conf" >"$work/run/pgpool.log" 2>&1 &
	others_wait pgpool "$folder/.s.PGSQL.$pgpool_port"
}

# shellcheck shell=bash disable=SC2154
# What tracking costs those who write: test/bench/writers, shortly.

part_writers() {
	local what level whats=(tpcb-1 tpcb-8 update copy copy-bare)
	mkdir -p "$work/writers"
	ROUNDS=$rounds BENCH_SECONDS=$((2 * seconds)) ROWS=$([ -z "$short" ] && echo 300000 || echo 1000) SAMPLES=$work/writers \
		"$bench_dir/writers" >"$work/writers.log" 2>&1 || { cat "$work/writers.log"; die "writers failed"; }
	for what in "${whats[@]}"; do
		for level in untracked relation key; do
			cp "$work/writers/$what.$level" "$(sample_file "$what" "$level" rate)"
			figure "$what" $level rate 1/s untracked
		done
	done
	for level in relation key; do
		aim_ratio "TPC-B tracked by $level against untracked, 1 client" ">= 0.97" tpcb-1 $level rate untracked
		aim_ratio "the same, 8 clients" ">= 0.97" tpcb-8 $level rate untracked
	done
}

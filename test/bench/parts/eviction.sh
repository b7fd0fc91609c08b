# shellcheck shell=bash disable=SC2154
# What the store keeps when memory is short: test/bench/eviction/run.  Figures are exact, so two
# seeds will do.

part_eviction() {
	local seeds=$((rounds < 2 ? rounds : 2)) costs wanted
	local options=(--rounds "$seeds" --output "$work/eviction" --charts "$results")
	[ -z "$short" ] || options+=(--short)
	"$bench_dir/eviction/run" "${options[@]}" >"$work/eviction.log" 2>&1 || { cat "$work/eviction.log"; die "eviction failed"; }
	# Of the store all is kept, of the others what they missed.
	awk -F'\t' -v rounds="$seeds" '$3 == "arcache" || $4 ~ /miss ratio$/ {
		printf "%s\t%s\t%s\t%s\tratio\t%s\t-\t-\t-\t-\t%d\n", $1, $2, $3, $4, $5, rounds }' \
		"$work/eviction" >>"$figures"
	for costs in skewed uniform; do
		wanted='<= 1.0'
		[ $costs = uniform ] || wanted='<= 0.7'
		awk -F'\t' -v costs="all: $costs" '$2 == costs && $4 ~ /^cost misses to best rival/ { print $5 }' "$work/eviction" |
			aim "recompute time not saved, to the best rival's, $costs costs" "$wanted"
	done
}

# shellcheck shell=bash disable=SC2154
# What a statement costs that is not cached, a miss, and a hit: test/bench/overhead. Its
# instructions repeat where the rates of the part "hit" do not.  Not all cases: the others
# take callgrind minutes.

miss_cases='^(hit/|plan/(lookup|cheap|join6|volatile)$|miss/(row|aggregate|rows-1000)(-prepared)?$)'

part_miss() {
	local options=(--rounds "$rounds" --output "$work/miss" --only "$miss_cases")
	[ -z "$short" ] || options=(--rounds 1 --output "$work/miss" --only '^plan/lookup' --no-callgrind)
	[ -z "$profiles" ] || options+=(--profiles "$profiles")
	"$bench_dir/overhead" "${options[@]}" >"$work/miss.log" 2>&1 || { cat "$work/miss.log"; die "overhead failed"; }
	awk -F'\t' -v rounds="$rounds" '
		function row(name, unit, median, ratio, range) {
			if (median == "-")
				return
			split(range == "" ? ratio ".." ratio : range, ends, "[.][.]")
			printf "miss\t%s/%s/%s\t%s\t%s\t%s\t%s\tbaseline\t%s\t%s\t%s\t%d\n",
				$1, $2, $3, $4, name, unit, median, ratio, ends[1], ends[2], range == "" ? 1 : rounds
		}
		NR > 1 {
			row("server_ns", "ns", $5, $6, $7)
			row("planning_us", "us", $8, $9, $10)
			row("instructions", "instructions", $11, $12, "")
			row("planning_instructions", "instructions", $13, $14, "")
		}' "$work/miss" >>"$figures"
}

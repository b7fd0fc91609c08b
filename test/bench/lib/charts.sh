# shellcheck shell=bash disable=SC2154
# What becomes of a run's results: tables on the screen, charts, files that stay.

show_table() { column -t -s $'\t' "$1"; }

draw_charts() {
	if ! command -v gnuplot >/dev/null; then
		say "no gnuplot: no charts"
		return
	fi
	gnuplot -e "figures = '$results/figures.tsv'; folder = '$results'" "$bench_dir/lib/charts.gp" 2>"$work/gnuplot.log" ||
		{ cat "$work/gnuplot.log"; say "not all charts could be drawn"; }
}

keep_figures() {
	local to
	for to in "$output" ${CHARTS:+"$source_dir/doc/bench"}; do
		if mkdir -p "$to" 2>/dev/null && [ -w "$to" ]; then
			cp "$results"/* "$to"/
			say "kept in ${to#"$source_dir"/}"
		fi
	done
}

# shellcheck shell=bash disable=SC2154
# What becomes of a run's results: tables on the screen, charts, files that stay.

show_table() { column -t -s $'\t' "$1"; }

draw_charts() {
	local chart
	if ! command -v gnuplot >/dev/null; then
		say "no gnuplot: no charts"
		return
	fi
	gnuplot -e "figures = '$results/figures.tsv'; folder = '$results'" "$bench_dir/lib/charts.gp" 2>"$work/gnuplot.log" ||
		{ cat "$work/gnuplot.log"; say "not all charts could be drawn"; }
	# They stay in the source tree, whose files end with one newline, and no line with blanks.
	for chart in "$results"/*.svg; do
		[ -e "$chart" ] || continue
		sed -i 's/[[:blank:]]*$//' "$chart"
		printf '%s\n' "$(<"$chart")" >"$chart.part" && mv "$chart.part" "$chart"
	done
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

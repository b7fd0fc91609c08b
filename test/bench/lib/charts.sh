# shellcheck shell=bash disable=SC2154
show_table() { column -t -s $'\t' "$1"; }
draw_charts() { :; }
keep_figures() { mkdir -p "$source_dir/build/bench" && cp -R "$results"/. "$source_dir/build/bench/"; }

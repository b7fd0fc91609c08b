# shellcheck shell=bash
# Figures that mean something on a noisy machine: contenders take turns, and
# what is told is the median of each one's ratio to another one of the same
# round, with the ratio's range.

# Numbers, one a line: their median.
median() { sort -g | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# Numbers, one a line: the least and the greatest.
range() { sort -g | awk 'NR == 1 { a = $1 } END { printf "%.3f..%.3f\n", a, $1 }'; }

# Two files with a line for each round: the ratio, round by round.
ratios() { paste "$1" "$2" | awk '{ print $1 / $2 }'; }

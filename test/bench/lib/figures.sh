# shellcheck shell=bash disable=SC2154,SC2034
# What a part of the benches measures, and what becomes of it.
#
# Contenders take turns (each_round), and each adds a number for a figure of a case in
# each round (sample).  A figure is told as the median of its samples, and as the
# median and range of its ratio to another one's of the same round (figure).  An
# aim is a bound of such a ratio, or of the figure itself.
#
#   $rounds         how many rounds
#   $figures        file of tab-separated lines: part, case, contender, figure, unit,
#                   median, against, ratio, least, greatest, rounds
#   $aims           the same of aims: aim, bound, reached, least, greatest, verdict, of
#   $part           the part that measures now

begin_figures() {			# PART
	part=$1
	figures=$results/$part.figures aims=$results/$part.aims samples=$work/samples/$part
	mkdir -p "$samples"
	: >"$figures"
	: >"$aims"
}

sample_file() { echo "$samples/${1//\//.}@$2@$3"; }
sample() { echo "$4" >>"$(sample_file "$1" "$2" "$3")"; }	# CASE CONTENDER FIGURE NUMBER
has_samples() { [ -s "$(sample_file "$1" "$2" "$3")" ]; }

# Call FUNCTION CASE CONTENDER for each of the contenders; who begins is another one
# each round.
each_round() {				# ROUND FUNCTION CASE CONTENDER...
	local round=$1 function=$2 case=$3 i who
	shift 3
	who=("$@")
	for ((i = 0; i < ${#who[@]}; i++)); do
		"$function" "$case" "${who[$(((i + round) % ${#who[@]}))]}"
	done
}

# The ratio to another's, round by round.  The other may be of another case: CASE@NAME.
ratio_of() {				# CASE CONTENDER FIGURE AGAINST
	local case=$1 against=$4
	[[ $against != *@* ]] || { case=${against%@*} against=${against#*@}; }
	ratios "$(sample_file "$1" "$2" "$3")" "$(sample_file "$case" "$against" "$3")"
}

least_greatest() { sort -g | awk 'NR == 1 { a = $1 } END { printf "%.3f\t%.3f", a, $1 }'; }

figure() {					# CASE CONTENDER FIGURE UNIT [AGAINST]
	local file median_of
	file=$(sample_file "$1" "$2" "$3")
	[ -s "$file" ] || return 0
	median_of=$(median <"$file")
	printf '%s\t%s\t%s\t%s\t%s\t%.6g\t' "$part" "$1" "$2" "$3" "$4" "$median_of"
	if [ -n "${5:-}" ] && [ -s "$(sample_file_of "$1" "$5" "$3")" ]; then
		printf '%s\t%.3f\t%s' "$5" "$(ratio_of "$1" "$2" "$3" "$5" | median)" "$(ratio_of "$1" "$2" "$3" "$5" | least_greatest)"
	else
		printf -- '-\t-\t-\t-'
	fi
	printf '\t%d\n' "$(wc -l <"$file")"
} >>"$figures"

sample_file_of() {			# CASE AGAINST FIGURE
	if [[ $2 == *@* ]]; then
		sample_file "${2%@*}" "${2#*@}" "$3"
	else
		sample_file "$1" "$2" "$3"
	fi
}

# Numbers, one a line and one a round: is their median within the bound?
aim() {						# TEXT BOUND WHAT, e.g. ">= 0.90"; numbers from standard input
	local numbers reached verdict=missed
	numbers=$(cat)
	[ -n "$numbers" ] || return 0
	reached=$(median <<<"$numbers")
	if awk -v x="$reached" -v bound="${2#* }" -v op="${2%% *}" 'BEGIN { exit !(op == ">=" ? x >= bound : x <= bound) }'; then
		verdict=met
	fi
	printf '%s\t%s\t%.3f\t%s\t%s\t%s\n' "$1" "$2" "$reached" "$(least_greatest <<<"$numbers")" "$verdict" "${3:-ratio}" >>"$aims"
}

aim_ratio() {				# TEXT BOUND CASE CONTENDER FIGURE AGAINST
	if [ -s "$(sample_file "$3" "$4" "$5")" ] && [ -s "$(sample_file_of "$3" "$6" "$5")" ]; then
		ratio_of "$3" "$4" "$5" "$6" | aim "$1" "$2"
	fi
}

# A number that awk makes of two.
calc() { awk "BEGIN { printf \"%.9g\\n\", $1 }"; }

# Charts of the benches: figures is the file of lines that run writes, folder where to put
# them.  What was not measured leaves no chart.
set datafile separator '\t'
set style fill solid 0.8 noborder
set boxwidth 0.7
set grid ytics lc rgb '#dddddd'
set border 3
set tics nomirror

# Lines of a part's cases and a figure: the case, the contender, the median.
lines(part, cases, figure) = sprintf("< awk -F'\t' '$1 == \"%s\" && $2 ~ /%s/ && $4 == \"%s\" { gsub(/_/, \" \", $3); print $2 \"\t\" $3 \"\t\" $6 }' '%s'", part, cases, figure, figures)
of(part, cases, contender, figure) = sprintf("< awk -F'\t' '$1 == \"%s\" && $2 ~ /%s/ && $3 == \"%s\" && $4 == \"%s\" { n = $2; sub(/.*\\//, \"\", n); print n \"\t\" $6 }' '%s'", part, cases, contender, figure, figures)
there(part, cases) = int(system(sprintf("awk -F'\t' '$1 == \"%s\" && $2 ~ /%s/' '%s' | wc -l", part, cases, figures))) > 0
measured(part) = int(system(sprintf("awk -F'\t' '$1 == \"%s\"' '%s' | wc -l", part, figures))) > 0
new(name, wide, high) = sprintf("set terminal svg size %d, %d dynamic background rgb 'white' font 'sans,11'; set output '%s/%s.svg'", wide, high, folder, name)
colour(name) = name eq 'hit' || name eq 'arcache get' || name eq 'arcache row' ? 0xd7301f : name eq 'constant' || name eq 'select-1' ? 0x999999 : 0x8da0cb

if (measured('hit')) {
	eval new('hit', 1080, 760)
	set key off
	set yrange [0:*]
	set xtics rotate by -25
	set multiplot layout 2, 3 title 'A hit as a client sees it: answers a second'
	do for [one in 'row/prepared/1 row/prepared/8 row/simple/1 join/prepared/1 rows-1000/prepared/1 rows-1000/simple/1'] {
			escaped = system(sprintf("echo '%s' | sed 's,/,\\\\/,g'", one))
		set title one
		if (one[1:4] eq 'join') { set logscale y; set yrange [1:*] } else { unset logscale y; set yrange [0:*] }
		if (there('hit', '^' . escaped . '$')) {
			plot lines('hit', '^' . escaped . '$', 'rate') using 0:3:(colour(stringcolumn(2))):xtic(2) with boxes lc rgb variable
		}
	}
	unset multiplot
	unset logscale y

	eval new('values', 1080, 420)
	set multiplot layout 1, 4 title 'A value of 1 kB by its key: answers a second'
	do for [one in 'unix/1 unix/8 tcp/1 tcp/8'] {
		escaped = system(sprintf("echo '%s' | sed 's,/,\\\\/,g'", one))
		set title one . ' clients'
		if (there('hit', '^value\/' . escaped . '$')) {
			plot lines('hit', '^value\/' . escaped . '$', 'rate') using 0:3:(colour(stringcolumn(2))):xtic(2) with boxes lc rgb variable
		}
	}
	unset multiplot
	set xtics norotate
}

if (measured('inside')) {
	eval new('inside', 720, 420)
	set title 'A look inside the server: processor time by the size of the value'
	set key top left
	set logscale xy
	set yrange [100:*]
	set xlabel 'bytes'
	set ylabel 'nanoseconds'
	plot for [keys in 'uniform zipf'] of('inside', '^get\/' . keys, 'arcache_get', 'net_ns') using 1:2 with linespoints lw 2 pt 7 lc rgb (keys eq 'zipf' ? 0xfc8d62 : 0xd7301f) title 'arcache\_get, ' . keys . ' keys', \
		for [keys in 'uniform zipf'] of('inside', '^get\/' . keys, 'table', 'net_ns') using 1:2 with linespoints lw 2 pt 7 lc rgb (keys eq 'zipf' ? 0xb0b0ff : 0x8da0cb) title 'an UNLOGGED table through SPI, ' . keys . ' keys'
	unset logscale
	unset xlabel
	unset ylabel
}

if (measured('crowd')) {
	eval new('crowd', 720, 420)
	set title 'Many clients on two cores: answers a second'
	set key bottom right
	set logscale x 2
	set yrange [0:*]
	set xlabel 'clients'
	plot of('crowd', '^clients', 'select-1', 'rate') using 1:2 with linespoints lw 2 pt 7 lc rgb 0x999999 title 'SELECT 1', \
		of('crowd', '^clients', 'get', 'rate') using 1:2 with linespoints lw 2 pt 7 lc rgb 0xd7301f title 'arcache\_get', \
		of('crowd', '^clients', 'row', 'rate') using 1:2 with linespoints lw 2 pt 7 lc rgb 0xfc8d62 title 'one row, transparent', \
		of('crowd', '^clients', 'churn', 'rate') using 1:2 with linespoints lw 2 pt 7 lc rgb 0x8da0cb title 'a full arena under churn'
	unset logscale
}

if (measured('scale')) {
	eval new('scale', 1080, 420)
	set key top left
	set logscale x
	set xlabel 'entries'
	set yrange [0:*]
	set format x '10^{%L}'
	set multiplot layout 1, 3
	set title 'Bytes of an entry beyond key and value'
	plot of('scale', '^entries', 'arcache', 'overhead') using 1:2 with linespoints lw 2 pt 7 lc rgb 0xd7301f notitle
	set title 'A hit: nanoseconds'
	plot of('scale', '^entries', 'arcache', 'hit_ns') using 1:2 with linespoints lw 2 pt 7 lc rgb 0xd7301f notitle
	set title 'INSERT of a row and its commit: microseconds'
	set key bottom right
	plot of('scale', '^entries', 'none', 'write_ns') using 1:($2 / 1000) with linespoints lw 2 pt 7 lc rgb 0x999999 title 'no dependents', \
		of('scale', '^entries', 'dependents', 'write_ns') using 1:($2 / 1000) with linespoints lw 2 pt 7 lc rgb 0xd7301f title 'all entries depend on it'
	unset multiplot
	unset logscale
	set format x
	unset xlabel
}

if (measured('writers')) {
	eval new('writers', 720, 420)
	set title 'Writers: speed with tracking, of that without'
	set key top right
	set yrange [0:*]
	set style data histograms
	ratios(level) = sprintf("< awk -F'\t' '$1 == \"writers\" && $3 == \"%s\" { print $2 \"\t\" $8 \"\t\" $9 \"\t\" $10 }' '%s'", level, figures)
	set style histogram errorbars gap 1 lw 1
	plot ratios('relation') using 2:3:4:xtic(1) title 'as a whole' lc rgb 0x8da0cb, \
		ratios('key') using 2:3:4 title 'by key' lc rgb 0xd7301f
}

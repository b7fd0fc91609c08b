# What is missed, by the size of the cache: figures is the file of run, svg the chart.
set terminal svg size 1080, 680 dynamic background rgb 'white' font 'sans,12'
set output svg
set datafile separator '\t'
set key off
set logscale x
set xtics ('1 %%' 1, '5 %%' 5, '10 %%' 10, '25 %%' 25)
set xrange [0.9:28]
set yrange [0:100]
set grid ytics lc rgb '#dddddd'

policies = 'lru clock sieve s3fifo gdsf arcache static unbounded'
colours = '#8da0cb #66c2a5 #a6d854 #e78ac3 #fc8d62 #d7301f #999999 #cccccc'
points(name, policy) = sprintf("< awk -F'\t' 'index($2, \"%s, cache \") == 1 && $3 == \"%s\" && $4 == \"cost miss ratio\" { s = $2; sub(/.*cache /, \"\", s); sub(/ .*/, \"\", s); print s \"\t\" 100 * $5 }' '%s'", name, policy, figures)

set multiplot layout 2, 3 title "Cost misses in percent, by the size of the cache as a share of all objects"
do for [costs in 'uniform sigma_2'] {
	do for [zipf in '0.70 1.00 1.20'] {
		label = costs eq 'uniform' ? 'cost uniform' : 'cost sigma 2'
		name = sprintf('zipf %s, %s', zipf, label)
		set title name
		if (costs eq 'uniform' && zipf eq '1.20') { set key top right } else { set key off }
		plot for [i = 1:words(policies)] points(name, word(policies, i)) using 1:2 with linespoints \
			lw (word(policies, i) eq 'arcache' ? 3 : 1.5) pt 7 ps 0.4 lc rgb word(colours, i) title word(policies, i)
	}
}
unset multiplot

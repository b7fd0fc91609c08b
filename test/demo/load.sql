-- Rows :first to :last of :table.  The same ones in every run.
SELECT format('INSERT INTO %I SELECT %s FROM generate_series(%s, %s) AS i',
			  :'table',
			  CASE :'table'
				  WHEN 'users' THEN
					  $$i, 'user ' || i,
						('{Austria,Brazil,Chile,Denmark,Egypt,France,Ghana,Hungary}'::text[])[1 + i * 7919 % 8]$$
				  WHEN 'articles' THEN
					  $$i, 1 + i::bigint * 7919 % 50000, 'article ' || i, date '2020-01-01' + i % 2000$$
				  WHEN 'comments' THEN
					  $$i, 1 + i::bigint * 104729 % 50000, 1 + i::bigint * 15485863 % 50000, 'comment ' || i$$
				  WHEN 'orders' THEN
					  $$i, 1 + i::bigint * 611953 % 50000, (i::bigint * 3571 % 20000) / 100.0,
						date '2024-01-01' + i % 700$$
			  END,
			  :first, :last)
\gexec
